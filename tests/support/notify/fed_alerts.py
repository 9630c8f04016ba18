"""Alerts and statistics for notify, as an engine would publish them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from stream.notify.notify_config import NotifyConfig
from stream.results import Alert, CameraStats, Stats
from support.engines import wire_messages

RUN = "a" * 32
NEXT_RUN = "b" * 32
NOW_US = 1_790_000_000_000_000
SECOND = 1_000_000


def alert(name: str, state: Any = "began", *, at_us: int = NOW_US, seq: int = 0, **fields: Any) -> Alert:
    """Return a message of an alert that began at `began_us`, by default `at_us`."""
    defaults: dict[str, Any] = {
        **dict.fromkeys(("zone", "line", "track", "people", "action", "score", "box")),
        **{"run": RUN, "seq": seq, "camera": "door", "epoch": 1, "frame": 7, "rule": "fall", "severity": "warning"},
        **{"reason": "person lies", "capture_us": at_us, "since_us": at_us, "began_us": at_us},
        "clear_reason": "over" if state == "cleared" else None,
    }
    return Alert(alert=name, state=state, **(defaults | fields))


def stats(*open_alerts: str, run: str = RUN, cameras: tuple[str, ...] = ("door",), seq: int = 0) -> Stats:
    """Return statistics that list these open alerts."""
    listed = [CameraStats(name, "live", 1, 100, 98, {}, 25.0, 24.5, 1) for name in cameras]
    return replace(wire_messages.stats(), run=run, seq=seq, open_alerts=sorted(open_alerts), cameras=listed)


def config(ledger: Any, **settings: Any) -> NotifyConfig:
    """Return a configuration with one webhook, unless the settings have other targets."""
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": ["s"]}
    return NotifyConfig.model_validate({"ledger": str(ledger), "targets": {"hook": hook}, "metrics": None, **settings})
