"""fanout: `cat /proc/uptime` on many hosts: the loopback addresses of one sshd, whose user has a plain /bin/sh.

All contestants use the same key exchange, cipher, host and user key, and strict host keys; all have as many hosts under way at a time. Cold is a new process with no
connection; warm is the same again over connections that stand. They take turns, round by round; figures are medians. CPU is user and system time of the whole client
process tree (of ControlMaster's and Ansible's masters, too). Memory is the peak of the tree's anonymous memory (Pss_Anon: what processes share is shared out), looked at
every 20 ms or, in a large tree, less often, so that looking slows nobody down; the true peak of many short-lived processes is rather above the figure. The server's
work on the same machine is in the wall time of all alike."""
import argparse
import ctypes
import json
import os
import pwd
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from tests.box.support.sshd import Sshd

COMMAND = ["cat", "/proc/uptime"]
KEX = ["KexAlgorithms curve25519-sha256", "Ciphers aes128-ctr", "MACs hmac-sha2-256", "HostKeyAlgorithms ssh-ed25519"]
USER = "hikeshi-bench"
WARM_ROUNDS = 3
LOOK_S = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


def become_subreaper():
    """Masters that detach from their parent become our children, and their CPU ours to count."""
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0


def descendants(pid, leave_out=()):
    """Each as it is found: many of them live for some milliseconds."""
    look = [pid]
    while look:
        one = look.pop()
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as file:
                    children = [int(child) for child in file.read().split()]
                for child in children:
                    if child not in leave_out:
                        yield child
                        look.append(child)
        except OSError:
            pass


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read()
    except OSError:
        return ""


def anonymous_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))
    except OSError:
        return 0


def cpu_of(pids):
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15]) / TICKS
        except OSError:
            pass
    return total


class Meter:
    """Runs argv; wall, CPU and peak memory of everything below this process but the sshd."""

    def __init__(self, sshd):
        self.sshd = {sshd.process.pid}

    def clients(self):
        """Everything below us but the server: also what it leaves behind, which becomes ours."""
        return (pid for pid in descendants(os.getpid(), self.sshd) if not name_of(pid).startswith("sshd"))

    def watch(self):
        """Looks often at a small tree and rarely at a large one, so that looking costs everybody at most a twentieth of one processor; each look in
        one go, where we may."""
        if os.getuid() == 0:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        pause = LOOK_S
        while not self.over.wait(pause):
            start = time.thread_time()
            self.peak = max(self.peak, sum(map(anonymous_kib, self.clients())))
            pause = max(LOOK_S, 20 * (time.thread_time() - start))

    def run(self, argv, env, check):
        self.peak, self.over = 0, threading.Event()
        watcher = threading.Thread(target=self.watch)
        dead, alive = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_of(self.clients())
        watcher.start()
        start = time.monotonic()
        done = subprocess.run(argv, env=dict(os.environ, **env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wall = time.monotonic() - start
        self.over.set()
        watcher.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - dead.ru_utime - dead.ru_stime + cpu_of(self.clients()) - alive
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]}: status {done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}")
        check(done.stdout)
        return {"wall": wall, "cpu": cpu, "memory": self.peak / 1024}


class Site:
    """The hosts and how to reach them, in everybody's words."""

    def __init__(self, folder, sshd, user, addresses, at_once):
        self.folder, self.sshd, self.user, self.addresses, self.at_once = folder, sshd, user, addresses, at_once
        with open(sshd.host_key + ".pub") as key, open(f"{folder}/known_hosts", "w") as file:
            kind, blob = key.read().split()[:2]
            file.write("".join(f"[{address}]:{sshd.port} {kind} {blob}\n" for address in addresses))
        self.ssh_options = ["-F", "/dev/null", "-p", str(sshd.port), "-l", user, "-i", sshd.client_key, "-o", "BatchMode=yes",
                            "-o", f"UserKnownHostsFile={folder}/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null",
                            "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR",
                            *[word for option in KEX for word in ("-o", option.replace(" ", "="))]]
        with open(f"{folder}/hosts", "w") as file:
            file.write("".join(f"{address}\n" for address in addresses))

    def check(self, lines):
        assert lines >= len(self.addresses), f"{lines} answers of {len(self.addresses)}"

    def count_lines(self, text):
        self.check(sum(1 for line in text.splitlines() if line.strip()))


class Hikeshi:
    """Cold: `hosts exec`. Warm: the steps after the first of one `hikeshi run`, whose sessions stand."""
    name = "hikeshi"

    def __init__(self, site):
        self.site, self.folder = site, f"{site.folder}/ops"
        os.makedirs(f"{self.folder}/hikeshi")
        with open(f"{self.folder}/hikeshi/inventory.yaml", "w") as file:
            file.write(f"defaults: {{user: {site.user}, port: {site.sshd.port}}}\nhosts:\n")
            file.write("".join(f"  h{n}: {{address: {address}}}\n" for n, address in enumerate(site.addresses)))
        self.runbook("one", 1)
        self.runbook("more", 1 + WARM_ROUNDS)
        self.options = ["--identity", site.sshd.client_key, "--known-hosts", f"{site.folder}/known_hosts"]
        self.env = {"SSH_AUTH_SOCK": ""}

    def runbook(self, name, steps):
        text = "".join(f'```sh {{step=s{n} hosts="name ~ h" at_once={self.site.at_once}}}\n#| effect: read\n{" ".join(COMMAND)}\n```\n'
                       for n in range(steps))
        with open(f"{self.folder}/{name}.md", "w") as file:
            file.write(f"---\nhikeshi: 1\ntitle: Fan-out\nhosts: \"name ~ h\"\nlimits: {{max_hosts: {len(self.site.addresses)}}}\n---\n# F\n{text}")

    def exec_check(self, text):
        self.site.check(sum(1 for line in text.splitlines() if json.loads(line)["code"] == 0))

    def cold(self, meter):
        argv = [os.environ["HIKESHI"], "hosts", "exec", "--inventory", f"{self.folder}/hikeshi/inventory.yaml", *self.options, "--json",
                "--at-once", str(self.site.at_once), "*", "--", *COMMAND]
        return meter.run(argv, self.env, self.exec_check)

    def steps(self, meter, name):
        taken = []

        def check(text):
            run = json.loads(text)
            taken.extend(step["duration_ms"] / 1000 for step in run["steps"])
            for step in run["steps"]:
                self.site.check(sum(1 for host in step["hosts"] if host["result"] == "ok"))
        return meter.run([os.environ["HIKESHI"], "run", f"{self.folder}/{name}.md", *self.options, "--json"], self.env, check), taken

    def warm(self, meter):
        one, _ = self.steps(meter, "one")
        more, walls = self.steps(meter, "more")
        return {"wall": statistics.median(walls[1:]), "cpu": (more["cpu"] - one["cpu"]) / WARM_ROUNDS, "memory": more["memory"]}

    def stop(self):
        pass


class Peer:
    warm = None
    env = {}

    def __init__(self, site):
        self.site = site

    def cold(self, meter):
        return meter.run(self.argv(), self.env, self.site.count_lines)

    def stop(self):
        pass


class Pdsh(Peer):
    name, program = "pdsh", "pdsh"

    def argv(self):
        self.env = {"PDSH_SSH_ARGS": " ".join(["-2 -a -x %h", *self.site.ssh_options]), "PDSH_SSH_ARGS_APPEND": ""}
        self.env["PDSH_SSH_ARGS"] = " ".join(self.site.ssh_options) + " %h"
        return ["pdsh", "-R", "ssh", "-f", str(self.site.at_once), "-w", ",".join(self.site.addresses), " ".join(COMMAND)]


class Clush(Peer):
    name, program = "clush", "clush"

    def argv(self):
        return ["clush", "-q", "-f", str(self.site.at_once), "-o", " ".join(self.site.ssh_options), "-w", ",".join(self.site.addresses), *COMMAND]


class ParallelSsh(Peer):
    name, program = "parallel-ssh", "parallel-ssh"

    def argv(self):
        return ["parallel-ssh", "-i", "-p", str(self.site.at_once), "-t", "0", "-h", f"{self.site.folder}/hosts", "-x",
                " ".join(self.site.ssh_options), " ".join(COMMAND)]


class Masters(Peer):
    """Whoever leaves ssh's masters behind: the same again is warm."""

    def paths(self):
        return f"{self.site.folder}/{self.name}-cp"

    def cold(self, meter):
        self.stop()
        os.makedirs(self.paths(), exist_ok=True)
        return meter.run(self.argv(), self.env, self.site.count_lines)

    def warm(self, meter):
        return meter.run(self.argv(), self.env, self.site.count_lines)

    def stop(self):
        """Each master ends itself when its socket is gone and nobody uses it: ask them."""
        for name in os.listdir(self.paths()) if os.path.isdir(self.paths()) else []:
            subprocess.run(["ssh", "-F", "/dev/null", "-O", "exit", "-o", f"ControlPath={self.paths()}/{name}", "x"], stderr=subprocess.DEVNULL,
                           check=False)
        while True:  # they are our children now
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        shutil.rmtree(self.paths(), ignore_errors=True)


class ControlMaster(Masters):
    name, program = "controlmaster", "ssh"

    def argv(self):
        options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", f"ControlPath={self.paths()}/%h"]
        return ["xargs", "-a", f"{self.site.folder}/hosts", "-P", str(self.site.at_once), "-I{}", "ssh", *self.site.ssh_options, *options, "{}", *COMMAND]


class Ansible(Masters):
    name, program = "ansible", "ansible"

    def argv(self):
        with open(f"{self.site.folder}/ansible.cfg", "w") as file:
            file.write(f"[defaults]\ninventory = {self.site.folder}/hosts\nforks = {self.site.at_once}\nhost_key_checking = True\n"
                       f"local_tmp = {self.site.folder}/ansible\n[ssh_connection]\nretries = 0\ncontrol_path_dir = {self.paths()}\n"
                       f"ssh_args = -C -o ControlMaster=auto -o ControlPersist=600s {' '.join(self.site.ssh_options)}\n")
        self.env = {"ANSIBLE_CONFIG": f"{self.site.folder}/ansible.cfg", "ANSIBLE_HOME": f"{self.site.folder}/ansible"}
        return ["ansible", "all", "-m", "raw", "-o", "-a", " ".join(COMMAND)]


PEERS = [Pdsh, Clush, ParallelSsh, ControlMaster, Ansible]


def addresses(count):
    return [f"127.{1 + n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in range(count)]


def chosen_peers(options):
    wanted = options.peers.split(",") if options.peers is not None else [peer.name for peer in PEERS]
    for name in wanted:
        if name and name not in [peer.name for peer in PEERS]:
            sys.exit(f"bench: there is no peer '{name}': {', '.join(peer.name for peer in PEERS)}")
    for peer in PEERS:
        if peer.name in wanted and shutil.which(peer.program) is None:
            print(f"bench: {peer.program} is not installed: {peer.name} is left out", file=sys.stderr)
    return [peer for peer in PEERS if peer.name in wanted and shutil.which(peer.program)]


def take_turn(one, meter, figures, warm):
    try:
        figures["cold"].setdefault(one.name, []).append(one.cold(meter))
        if one.warm and warm:
            figures["warm"].setdefault(one.name, []).append(one.warm(meter))
    finally:
        one.stop()


def measure(options, count, folder, user):
    sshd = Sshd(f"{folder}/sshd", address="0.0.0.0", options=["UseDNS no", "MaxStartups 5000", "LogLevel INFO", *KEX])
    os.chmod(f"{folder}/sshd", 0o755)  # sshd reads authorized_keys as the user
    site = Site(folder, sshd, user, addresses(count), min(options.at_once, count))
    meter, figures = Meter(sshd), {"cold": {}, "warm": {}}
    contestants = [Hikeshi(site), *(peer(site) for peer in chosen_peers(options))]
    try:
        for _ in range(options.rounds):
            for one in contestants:
                take_turn(one, meter, figures, not options.cold)
    finally:
        sshd.stop()
    return {case: {name: {metric: statistics.median(value[metric] for value in taken) for metric in taken[0]} for name, taken in of.items()}
            for case, of in figures.items() if of}


UNITS = {"wall": "s", "cpu": "ms a host", "memory": "MiB"}


def lines(figures, count):
    for case, found in figures.items():
        for metric, unit in UNITS.items():
            scale = 1000 / count if metric == "cpu" else 1
            values = {name: round(taken[metric] * scale, 3) for name, taken in found.items()}
            yield {"bench": "fanout", "case": f"{count} hosts, {case}", "metric": metric, "unit": unit, "hikeshi": values.pop("hikeshi", None),
                   "peers": values}


def print_lines(all_lines):
    for line in all_lines:
        ours = line["hikeshi"]
        told = f"{line['case']:<18}{line['metric']:<8}{line['unit']:<10}" + (f"hikeshi {ours:.2f}" if ours is not None else "")
        for name, value in line["peers"].items():
            told += f" | {name} {value:.2f}" + (f" ({ours / value:.2f})" if ours is not None and value else "")
        print(told)


def make_user():
    """A user with a plain /bin/sh, when we may; else whoever we are."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name, lambda: None
    subprocess.run(["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", "*", USER], check=True)
    return USER, lambda: subprocess.run(["userdel", USER], check=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench fanout")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hosts", default="200", help="how many; a list for several runs")
    parser.add_argument("--full", action="store_true", help="--hosts 200,1000")
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cold", action="store_true", help="only that")
    parser.add_argument("--peers", help="names separated by commas; '' for none")
    options = parser.parse_args()
    become_subreaper()
    user, remove_user = make_user()
    try:
        for count in [200, 1000] if options.full else [int(count) for count in options.hosts.split(",")]:
            with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
                os.chmod(folder, 0o755)
                found = list(lines(measure(options, count, folder, user), count))
            if options.json:
                for line in found:
                    print(json.dumps(line))
            else:
                print_lines(found)
    finally:
        remove_user()
    return 0


if __name__ == "__main__":
    sys.exit(main())
