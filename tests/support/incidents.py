"""Messages about incidents, and a store that keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from stream.incidents.store import IncidentStore
from stream.results import Alert, Event, Frame, ModelRef
from stream.settings.recording import IncidentsConfig
from support.waiting import wait_until

S = 1_000_000
RUN = "0123456789abcdef" * 2
JPEG = b"\xff\xd8\xff" + b"." * 997


def alert(number: int = 1, state: Literal["began", "updated", "cleared"] = "began", **fields: Any) -> Alert:
    nothing: dict[str, Any] = dict.fromkeys(("zone", "line", "people", "action", "score", "box", "clear_reason"), None)
    common: dict[str, Any] = {
        "run": RUN,
        "seq": 0,
        "camera": "door",
        "epoch": 1,
        "frame": number,
        "rule": "visitor",
        "track": 7,
    }
    times: dict[str, Any] = {
        "capture_us": number * S,
        "since_us": 0,
        "began_us": number * S,
        "media_time_us": number * S,
    }
    said: dict[str, Any] = {
        "severity": "info",
        "reason": "person in hall",
        "state": state,
        "alert": f"0123abcd-{number}",
    }
    return Alert(**(nothing | common | times | said | fields))


def event(
    number: int = 1, kind: Literal["started", "changed", "ended"] = "started", label: str = "fall", **fields: Any
) -> Event:
    common: dict[str, Any] = {
        "run": RUN,
        "seq": 0,
        "camera": "door",
        "epoch": 1,
        "frame": number,
        "track": 7,
        "score": 0.9,
    }
    times: dict[str, Any] = {"capture_us": number * S, "since_us": 0, "media_time_us": number * S}
    said: dict[str, Any] = {"kind": kind, "label": label, "previous": None, "event": f"e0123abcd-{number}"}
    return Event(**(common | times | said | fields))


def frame(number: int = 1) -> Frame:
    return Frame(
        run=RUN,
        seq=number,
        camera="door",
        epoch=1,
        frame=number,
        capture_us=number * S,
        clock="arrival",
        media_time_us=number * S,
        published_us=0,
        size=(640, 480),
        model=ModelRef("edge", "sha256:0", True),
        people=[],
        objects=[],
    )


def opened(folder: Path, **settings: Any) -> IncidentStore:
    config = IncidentsConfig.model_validate({"directory": folder, "least_free": 0, **settings})
    made = IncidentStore(config, folder, None, lambda name: name == "there")
    made.start()
    return made


def give(made: IncidentStore, *messages: Any) -> None:
    """Give messages to a store, and wait until they are written."""
    for message in messages:
        made.take("", message)
    wait_until(lambda: made.waiting == 0)
