"""repository: a real Git repository of runbooks in a temporary folder."""
import os
import subprocess


class Repository:
    def __init__(self, path):
        self.path = str(path)
        os.makedirs(self.path, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *args, **more):
        env = dict(os.environ, **more, GIT_AUTHOR_NAME="T", GIT_AUTHOR_EMAIL="t@example.com", GIT_COMMITTER_NAME="T",
                   GIT_COMMITTER_EMAIL="t@example.com", GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
        return subprocess.run(["git", *args], cwd=self.path, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, name, text):
        file = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w", encoding="utf-8") as f:
            f.write(text)

    def commit(self, files=None, message="change", date=None):
        """Writes files ({path: text}), commits everything (as of `date`: "2026-01-31T12:00:00Z"), returns the commit."""
        for name, text in (files or {}).items():
            self.write(name, text)
        self.git("add", "-A")
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
        self.git("commit", "-q", "--allow-empty", "-m", message, **dates)
        return self.git("rev-parse", "HEAD")
