"""Prometheus server for tests, with the rules' minutes shortened to seconds."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from support.rtsp_servers.server_process import ServerProcess
from support.waiting import wait_until

SCRAPE_S = 1
"""Shorter intervals would cause missed scrapes on a busy machine."""
HURRY = 30
_DURATION = re.compile(r"\b(\d+)([smh])\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def hurried(rules: str) -> str:
    """Return the rule file with all durations divided by 30. Names are unchanged."""
    return _DURATION.sub(lambda found: f"{int(found[1]) * _SECONDS[found[2]] * 1000 // HURRY}ms", rules)


_EVERY = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}


class PrometheusServer(ServerProcess):
    """Scrapes `targets` (host:port) every second as job `partstream`, with the given rules."""

    def __init__(self, targets: Sequence[str], rules: str) -> None:
        super().__init__()
        self._targets, self._rules = list(targets), rules

    def prepare(self, folder: Path) -> None:
        jobs = [{"job_name": "partstream", "static_configs": [{"targets": self._targets}]}]
        config = {"global": _EVERY, "rule_files": ["rules.yml"], "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "rules.yml").write_text(self._rules)

    def command(self, folder: Path) -> Sequence[str]:
        return [
            shutil.which("prometheus") or "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url()}",
            "--log.level=warn",
        ]

    def start(self) -> None:
        """Start the server and wait until it answers queries, which is later than listening."""
        super().start()
        wait_until(self._ready)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.url()}/-/ready") as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False

    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Return the data in a response of the HTTP API. Fails with the server's message if it refuses."""
        address = f"http://{self.url()}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{parameters}: {refusal.read().decode(errors='replace')}") from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression now, each with `metric` and `value`."""
        return self.ask("query", query=expression)["result"]

    def firing(self) -> set[tuple[str, str]]:
        """Return the alerts that fire now: (name, camera or "")."""
        alerts = self.ask("alerts")["alerts"]
        named = [(alert["labels"]["alertname"], alert["labels"].get("camera", "")) for alert in alerts]
        return {name for alert, name in zip(alerts, named, strict=True) if alert["state"] == "firing"}
