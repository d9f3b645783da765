"""postgres: a throwaway PostgreSQL server on a socket of its own, perhaps following another. Root is refused by PostgreSQL: tests that run
as root run it as the package's user."""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile

from .process import Process, free_port


def programs():
    """The folder of the newest installed server's programs; Debian keeps them out of PATH."""
    folders = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if folders:
        return os.path.dirname(max(folders, key=lambda path: int(path.split("/")[4])))
    return os.path.dirname(shutil.which("initdb"))


class Postgres:
    def __init__(self, follows=None):
        self.folder = tempfile.mkdtemp(prefix="hikeshi-pg-")  # not below pytest's folder: only its owner may enter that one
        self.port, self.data, self.follows = free_port(), f"{self.folder}/data", follows
        self.user = "postgres"
        if os.getuid() == 0:
            os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
        if follows:
            self.do("pg_basebackup", "--pgdata", self.data, "--write-recovery-conf", "--checkpoint=fast", "-h", follows.folder, "-p",
                    str(follows.port), "-U", self.user)
        else:
            self.do("initdb", "--pgdata", self.data, "--auth=trust", "--username", self.user, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    def command(self, program, *args):
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
        return [*become, f"{programs()}/{program}", *args]

    def do(self, program, *args):
        subprocess.run(self.command(program, *args), check=True, capture_output=True, cwd=self.folder)

    def start(self):
        self.process = Process(self.command("postgres", "-D", self.data, "-k", self.folder, "-c", "listen_addresses=", "-c", f"port={self.port}",
                                            "-c", "fsync=off", "-c", "cluster_name=" + ("standby" if self.follows else "primary")),
                               f"{self.folder}.log", cwd=self.folder)
        self.process.wait_output("ready to accept (read-only )?connections")

    def psql(self):
        """The words that connect to it."""
        return [shutil.which("psql"), "--no-psqlrc", "-h", self.folder, "-p", str(self.port), "-U", self.user, "-v", "ON_ERROR_STOP=1"]

    def sql(self, *statements):
        """The first column of the last statement, as text."""
        text = "".join(f"{statement};\n" for statement in statements)
        return subprocess.run([*self.psql(), "-qAt"], input=text, check=True, capture_output=True, text=True).stdout.strip()

    def session(self, *statements):
        """A session that has done these and stays open: close its stdin to end it."""
        child = subprocess.Popen([*self.psql(), "-qAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        child.stdin.write("".join(f"{statement};\n" for statement in statements) + "select 'done';\n")
        child.stdin.flush()
        while child.stdout.readline() != "done\n":
            assert child.poll() is None
        return child

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.folder)
        os.remove(f"{self.folder}.log")
