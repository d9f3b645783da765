"""place: a repository with one host "it", and `hikeshi run` of Lua or whole runbooks against it."""
import os
import subprocess

from .server import HIKESHI


class Place:
    """server: an Sshd or a Dropbear; account: who signs in there."""

    def __init__(self, folder, account, server, host=""):
        self.folder, self.account, self.server = folder, account, server
        for name in ("ops/hikeshi", "home"):
            (folder / name).mkdir(parents=True)
        self.inventory(host)
        self.env = dict(os.environ, HOME=str(folder / "home"), SSH_AUTH_SOCK="", IT_PASSWORD=account.password, IT_WRONG="wr0ng-one",
                        KEY_PASSPHRASE="pass phrase")

    def inventory(self, more=""):
        """more: further keys of the host, as in ", password: ops"."""
        (self.folder / "ops/hikeshi/inventory.yaml").write_text(
            f'hosts: {{it: {{address: {self.server.address}, port: {self.server.port}, user: {self.account.name}, '
            f'host_key: "{self.server.fingerprint}"{more}}}}}\n')

    def runbook(self, text, ssh="", env=None, options=(), newline="\n"):
        """ssh: keys of runner.ssh."""
        (self.folder / "hikeshi.yaml").write_text(f"runner: {{ssh: {{known_hosts: {self.folder}/none, {ssh}}}}}\n")
        file = self.folder / "ops/it.md"
        file.write_text(f"---\nhikeshi: 1\ntitle: It\n---\n# It\n{text}", newline=newline)
        return subprocess.run([HIKESHI, "run", str(file), "--config", f"{self.folder}/hikeshi.yaml", *options], env=dict(self.env, **(env or {})),
                              cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    def run(self, lua, ssh="", env=None, timeout="30s", options=()):
        return self.runbook(f"```lua {{step=it}}\n--| timeout: {timeout}\n{lua}\n```\n", ssh, env, options)
