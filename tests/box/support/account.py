"""account: a throwaway user of this machine with a password, a plain /bin/sh and a home. Needs root; callers skip without."""
import os
import shutil
import subprocess
import tempfile
import uuid


def possible():
    return os.getuid() == 0 and shutil.which("useradd") is not None


class Account:
    def __init__(self):
        self.name, self.password = "hk" + uuid.uuid4().hex[:8], "pass wörd'\"$" + uuid.uuid4().hex[:6]
        self.home = tempfile.mkdtemp(prefix="hikeshi-home-")
        hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=self.password, capture_output=True, text=True, check=True).stdout.strip()
        self._retry(["useradd", "--no-create-home", "--home-dir", self.home, "--shell", "/bin/sh", "--password", hashed, self.name])
        os.makedirs(f"{self.home}/.ssh", mode=0o700)
        self.own(self.home)
        self.keys = f"{self.home}/.ssh/authorized_keys"
        self.sudoers = None

    @staticmethod
    def _retry(argv):
        """Others may hold the lock of the password file."""
        for last in (False,) * 20 + (True,):
            if subprocess.run(argv, capture_output=not last).returncode == 0:
                return
        raise RuntimeError(f"{argv} failed")

    def own(self, path):
        subprocess.run(["chown", "-R", f"{self.name}:", path], check=True)

    def authorize(self, public_key):
        with open(public_key) as key, open(self.keys, "a") as allowed:
            allowed.write(key.read())
        os.chmod(self.keys, 0o600)
        self.own(self.home)

    def expire(self, expired=True):
        """Who signs in must first choose a new password."""
        self._retry(["chage", "-d", "0" if expired else "20000", self.name])

    def sudo(self, *rules):
        """rules: lines of sudoers; USER stands for the account."""
        self.sudoers = f"/etc/sudoers.d/{self.name}"
        with open(self.sudoers, "w") as file:
            file.write("\n".join(rule.replace("USER", self.name) for rule in rules) + "\n")
        os.chmod(self.sudoers, 0o440)
        subprocess.run(["visudo", "-cqf", self.sudoers], check=True)

    def stop(self):
        if self.sudoers:
            os.unlink(self.sudoers)
        self._retry(["userdel", "--force", self.name])
        shutil.rmtree(self.home, ignore_errors=True)
