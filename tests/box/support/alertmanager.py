"""alertmanager: the real Alertmanager on loopback, with one webhook receiver."""
import json
import os
import shutil
import urllib.request
from datetime import datetime, timezone

from .process import Process, free_port, wait_for


class Alertmanager:
    def __init__(self, folder, webhook_url, bearer, group_wait="0s", group_interval="1s", repeat_interval="1h"):
        self.program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        if not self.program:
            raise FileNotFoundError("prometheus-alertmanager is not installed (scripts/bootstrap installs it)")
        self.started = {}  # labels → startsAt, which a resolve repeats
        os.makedirs(folder, exist_ok=True)
        config = os.path.join(folder, "alertmanager.yml")
        with open(config, "w") as f:
            f.write(f"""route:
  receiver: hikeshi
  group_by: [alertname]
  group_wait: {group_wait}
  group_interval: {group_interval}
  repeat_interval: {repeat_interval}
receivers:
  - name: hikeshi
    webhook_configs:
      - url: {webhook_url}
        send_resolved: true
        http_config:
          authorization: {{credentials: {bearer}}}
""")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process([self.program, f"--config.file={config}", f"--storage.path={folder}/data",
                                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
                               os.path.join(folder, "alertmanager.log"))
        wait_for(self._ready, "Alertmanager to be ready")

    def _ready(self):
        if not self.process.alive():
            raise RuntimeError(self.process.output())
        try:
            return urllib.request.urlopen(self.url + "/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def fire(self, labels, annotations=None, starts_at=None, ends_at=None):
        """Posts one alert through Alertmanager's own API (v2), as Prometheus does."""
        starts_at = starts_at or datetime.now(timezone.utc).isoformat()
        self.started[tuple(sorted(labels.items()))] = starts_at
        alert = {"labels": labels, "annotations": annotations or {}, "startsAt": starts_at,
                 "generatorURL": "http://prometheus.example/graph"}
        if ends_at:
            alert["endsAt"] = ends_at
        request = urllib.request.Request(self.url + "/api/v2/alerts", json.dumps([alert]).encode(),
                                         {"Content-Type": "application/json"})
        assert urllib.request.urlopen(request, timeout=10).status == 200

    def resolve(self, labels):
        self.fire(labels, starts_at=self.started[tuple(sorted(labels.items()))], ends_at=datetime.now(timezone.utc).isoformat())

    def stop(self):
        self.process.stop()
