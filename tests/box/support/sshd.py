"""sshd: a throwaway OpenSSH server on loopback with its own host key and one client key. Runs as whoever runs the tests."""
import getpass
import os
import subprocess

from .process import Process, free_port


def keygen(path, kind="ed25519", passphrase=""):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path, "-C", "test"], check=True)
    return path


def fingerprint(public_key):
    return subprocess.run(["ssh-keygen", "-lf", public_key], check=True, capture_output=True, text=True).stdout.split()[1]


def no_penalties(folder, host_key):
    """The option that lets tests fail to sign in as often as they like, where this sshd (9.8 and later) knows it."""
    option, path = "PerSourcePenalties no", f"{folder}/penalties"
    with open(path, "w") as config:
        config.write(option + "\n")
    known = subprocess.run(["/usr/sbin/sshd", "-t", "-h", host_key, "-f", path], capture_output=True).returncode == 0
    return [option] if known else []


class Sshd:
    """options: more lines of sshd_config, such as "MaxSessions 2"; what comes first counts. prompts: passwords are asked for by
    keyboard-interactive, through PAM."""

    def __init__(self, folder, address="127.0.0.1", options=(), host_key="ed25519", prompts=False):
        self.folder, self.address, self.user = str(folder), address, getpass.getuser()
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.client_key = keygen(f"{self.folder}/client_key")
        self.host_key = keygen(f"{self.folder}/host_key", host_key)
        self.fingerprint = fingerprint(self.host_key + ".pub")
        with open(self.client_key + ".pub") as key, open(f"{self.folder}/authorized_keys", "w") as allowed:
            allowed.write(key.read())
        self.port = free_port()
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd's own empty folder, as its service makes it
        with open(f"{self.folder}/sshd_config", "w") as config:
            config.write("\n".join([
                *options, *(["UsePAM yes", "KbdInteractiveAuthentication yes"] if prompts else []), f"ListenAddress {address}:{self.port}", f"HostKey {self.host_key}", f"AuthorizedKeysFile {self.folder}/authorized_keys",
                "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PidFile none",
                "LogLevel VERBOSE", "SetEnv SHLVL=2",  # or bash reads ~/.bashrc for each command, whatever stands there
                "MaxStartups 100", "PermitRootLogin yes",
                *no_penalties(self.folder, self.host_key), ""]))
        self.start()

    def start(self):
        self.process = Process(["/usr/sbin/sshd", "-D", "-e", "-f", f"{self.folder}/sshd_config"], f"{self.folder}/sshd.log")
        self.process.wait_output(r"Server listening on")

    def known_hosts(self, path, name=None):
        """Writes a known_hosts line for this server; returns the path."""
        with open(self.host_key + ".pub") as key:
            kind, blob = key.read().split()[:2]
        with open(path, "a") as file:
            file.write(f"[{name or self.address}]:{self.port} {kind} {blob}\n")
        return path

    def stop(self):
        self.process.stop()
