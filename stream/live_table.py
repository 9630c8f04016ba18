"""The live table: what is published now, for a person at a terminal.

Holds the latest result and status of each camera, and the latest events; nothing grows. `add` messages, print it with
rich as often as you like.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from stream.results import Event, Frame, Message, Part, Person, Stats, Status

EVENTS_SHOWN = 6
PEOPLE_SHOWN = 12
NARROW = 100
"""Below so many columns the table leaves out what is nice to know."""
STATE_COLOUR = {"live": "green", "connecting": "yellow", "reconnecting": "yellow", "stalled": "red", "ended": "dim"}


class LiveTable:
    """A rich renderable of the latest messages."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._frames: dict[str, Frame] = {}
        self._status: dict[str, Status] = {}
        self._stats: Stats | None = None
        self._events: deque[Event] = deque(maxlen=EVENTS_SHOWN)

    def add(self, message: Message) -> None:
        """Take in a message of any kind."""
        match message:
            case Frame():
                self._frames[message.camera] = message
            case Status():
                if message.state == "removed":
                    self._status.pop(message.camera, None)
                    self._frames.pop(message.camera, None)
                else:
                    self._status[message.camera] = message
            case Event():
                self._events.append(message)
            case Stats():
                self._stats = message

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= NARROW
        parts: list[RenderableType] = [self._cameras(), Text(), self._people(wide)]
        if self._events and wide:
            parts += [Text(), *(self._event(event) for event in self._events)]
        yield Group(*parts)

    def _cameras(self) -> Table:
        table = _table("camera", "state", "epoch", "in", "out", "dropped", "people", "age")
        rates = {camera.camera: camera for camera in self._stats.cameras} if self._stats else {}
        for name in sorted({*self._status, *self._frames, *rates}):
            status, frame, rate = self._status.get(name), self._frames.get(name), rates.get(name)
            state = status.state if status else (rate.state if rate else "live")
            shown = Text(state, STATE_COLOUR.get(state, ""))
            if status is not None and status.reason:
                shown.append(f" {status.reason}", "dim")
            age = self._now() - frame.published_us / 1e6 if frame else None
            table.add_row(
                Text(name, "bold"),
                shown,
                str(frame.epoch if frame else (status.epoch if status else 0)),
                f"{rate.fps_in:.1f}/s" if rate else "",
                f"{rate.fps_out:.1f}/s" if rate else "",
                str(sum(rate.dropped.values())) if rate else "",
                str(len(frame.people)) if frame else "",
                f"{age:.1f} s" if age is not None else "",
            )
        return table

    def _people(self, wide: bool) -> Table:
        headings = ["camera", "person", "action", "score", "since"]
        table = _table(*headings, *(["because"] if wide else []))
        people = [(frame, person) for _, frame in sorted(self._frames.items()) for person in frame.people]
        for frame, person in people[:PEOPLE_SHOWN]:
            action = person.action
            row: list[RenderableType] = [Text(frame.camera, "bold"), str(person.track)]
            if action is None:
                row += [Text("…", "dim"), "", ""]
            else:
                seconds = max(0.0, (frame.capture_us - action.since_us) / 1e6)
                row += [Text(action.label, "cyan"), f"{action.score:.2f}", f"{seconds:.1f} s"]
            table.add_row(*row, *([reasons(person)] if wide else []))
        if len(people) > PEOPLE_SHOWN:
            table.add_row(Text(f"and {len(people) - PEOPLE_SHOWN} more", "dim"))
        if not all(frame.model.trained for frame in self._frames.values()):
            table.caption = "The model is not trained: its labels mean nothing."
        return table

    def _event(self, event: Event) -> Text:
        at = datetime.fromtimestamp(event.capture_us / 1e6).strftime("%H:%M:%S")
        text = Text(f"{at}  {event.camera}  person {event.track}  ", "dim")
        text.append(f"{event.kind} ", "dim")
        text.append(event.label, "cyan" if event.kind != "ended" else "dim")
        if event.previous:
            text.append(f" after {event.previous}", "dim")
        return text


def reasons(person: Person, most: int = 3) -> Text:
    """The parts that speak for the action, most relevant first, each with the state it is most surely in."""
    telling = [part for part in person.parts if any(state != "none" for state, _ in part.states)]
    telling.sort(key=lambda part: -part.relevance)
    text = Text(no_wrap=True, overflow="ellipsis")
    for part in telling[:most]:
        if text:
            text.append("  ")
        text.append(part.part.replace("_", " "), f"rgb({_heat(part.relevance)})")
        text.append(f" {_state(part)}", "dim")
    return text


def _state(part: Part) -> str:
    state, score = max((one for one in part.states if one[0] != "none"), key=lambda one: one[1])
    return f"{state.replace('_', ' ')} {score:.2f}"


def _heat(relevance: float) -> str:
    """From grey to orange."""
    share = min(1.0, max(0.0, relevance))
    return f"{int(120 + 135 * share)},{int(120 + 40 * share)},{int(120 - 100 * share)}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        numeric = heading in ("epoch", "in", "out", "dropped", "people", "age", "score", "since", "person")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    return table
