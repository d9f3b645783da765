"""dropbear: a throwaway Dropbear server on loopback with its own ed25519 host key. Users' keys are where Dropbear looks: in their homes."""
import base64
import hashlib
import os
import shutil
import subprocess

from .process import Process, free_port


def installed():
    return shutil.which("dropbear") is not None and shutil.which("dropbearkey") is not None


class Dropbear:
    def __init__(self, folder, options=()):
        os.makedirs(folder, exist_ok=True)
        self.address, self.port, key = "127.0.0.1", free_port(), f"{folder}/host_key"
        said = subprocess.run(["dropbearkey", "-t", "ed25519", "-f", key], capture_output=True, text=True, check=True).stdout
        blob = next(line.split()[1] for line in said.splitlines() if line.startswith("ssh-ed25519"))
        digest = hashlib.sha256(base64.b64decode(blob)).digest()
        self.fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
        self.process = Process(["dropbear", "-F", "-E", "-m", "-p", f"{self.address}:{self.port}", "-r", key, "-P", f"{folder}/pid", *options],
                               f"{folder}/dropbear.log")
        self.process.wait_output("Not backgrounding")

    def stop(self):
        self.process.stop()
