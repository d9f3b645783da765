"""process: start a program, wait for what it says, stop it with everything it started. No sleeps: conditions only."""
import os
import re
import signal
import subprocess
import time


class Died(Exception):
    pass


def wait_for(condition, what, timeout=30.0, step=0.02):
    """Polls condition() until it is true and returns its value. For conditions that no event announces."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout} s for {what}")
        time.sleep(step)


class Process:
    """A child in its own session; its output goes to a log file that tests can read and wait on."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.argv, self.log_path = argv, log
        self._log = open(log, "ab")
        self._start = self._log.tell()
        full = dict(os.environ, **(env or {}))
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
                                      env=full, cwd=cwd, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def output(self):
        with open(self.log_path, "rb") as f:
            f.seek(self._start)
            return f.read().decode("utf-8", "replace")

    def wait_output(self, pattern, timeout=30.0):
        """Waits until the output matches; fails at once when the program ends first."""
        def look():
            match = re.search(pattern, self.output())
            if match:
                return match
            if self.child.poll() is not None:
                raise Died(f"{self.argv[0]} ended with {self.child.returncode}:\n{self.output()[-4000:]}")
            return None
        try:
            return wait_for(look, f"{pattern!r} from {' '.join(map(str, self.argv[:3]))}", timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it said:\n{self.output()[-4000:]}") from None

    def alive(self):
        return self.child.poll() is None

    def kill(self, signum=signal.SIGKILL):
        if self.alive():
            os.kill(self.child.pid, signum)

    def stop(self, timeout=20.0):
        """SIGTERM, wait, return the exit status; SIGKILL to the session when it does not end (and say so)."""
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
            raise TimeoutError(f"{self.argv[0]} did not stop on SIGTERM:\n{self.output()[-4000:]}") from None
        finally:
            self._log.close()
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def free_port():
    """A port nobody listens on now, for programs that cannot take port 0."""
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
