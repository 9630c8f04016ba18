"""The live table: the latest results, states and events of all cameras, for a terminal."""

from __future__ import annotations

import time
import unicodedata
from collections import deque
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from commands.console.amounts import reduced_words
from stream.results import Alert, CameraStats, Event, Frame, Load, Message, Part, Person, Place, Stats, Status

EVENTS_SHOWN = 6
PEOPLE_SHOWN = 12
PARTS_SHOWN = 4
NARROW, MEDIUM, WIDE = 60, 80, 100
"""Minimum widths for the column `since`; for rates, reasons and events; for everything."""
OTHER_COLUMNS, PART_COLUMNS = 52, 24
"""Width of the columns beside the reasons, and of one part with its state."""
STATE_COLOUR = {"live": "green", "connecting": "yellow", "reconnecting": "yellow", "stalled": "red", "ended": "dim"}
ENGINE_ENDED_US = 10_000_000
"""Time without statistics after which an engine of a fleet is not shown any more."""
HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs")
"""Unicode categories of control characters, of those that change the direction of text, and of surrogates."""
BARS = "▁▂▃▄▅▆▇█"
"""Relevance from 0 to 1, for terminals without colours."""


class LiveTable:
    """The latest messages as a rich renderable, of one engine or of a `fleet`.

    `now` gives the time (seconds, UTC), for ages.
    """

    def __init__(self, now: Callable[[], float] = time.time, *, fleet: bool = False) -> None:
        self._now = now
        self._fleet = fleet
        self._frames: dict[str, Frame] = {}
        self._status: dict[str, Status] = {}
        self._stats: dict[str, Stats] = {}
        """By the engine's run."""
        self._unplaced: dict[str, Place] = {}
        self._events: deque[Event | Alert] = deque(maxlen=EVENTS_SHOWN)
        self._run = ""
        self._hint = "Waiting for an engine to publish …"
        self._note = ""

    def set_hint(self, hint: str) -> None:
        """Show this text while there is nothing to show in the table."""
        self._hint = hint

    def set_note(self, note: str) -> None:
        """Show this text below the cameras; an empty one removes it."""
        self._note = note

    def add(self, message: Message) -> None:
        """Take in a message of any kind. One of another run of the engine, if it is one, first clears the table."""
        if message.run != self._run and not self._fleet:
            self._run = message.run
            self._frames, self._status, self._stats = {}, {}, {}
            self._events.clear()
        match message:
            case Frame():
                self._frames[message.camera] = message
            case Status(state="removed"):
                self._status.pop(message.camera, None)
                self._frames.pop(message.camera, None)
            case Status():
                self._status[message.camera] = message
            case Alert(state="updated"):
                pass
            case Event() | Alert():
                self._events.append(message)
            case Stats():
                self._stats[message.run] = message
                ended = message.at_us - ENGINE_ENDED_US
                self._stats = {run: one for run, one in self._stats.items() if one.at_us > ended}
            case Place(state="placed"):
                self._unplaced.pop(message.camera, None)
            case Place(state="unplaced"):
                self._unplaced[message.camera] = message
            case Place():
                for known in (self._unplaced, self._frames, self._status):
                    known.pop(message.camera, None)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        names = sorted(
            {*self._status, *self._frames, *self._unplaced, *(camera.camera for camera in self._rates().values())}
        )
        if not names:
            yield Text(self._note or self._hint, "dim")
            return
        parts: list[RenderableType] = [self._cameras(names, width), *self._problems(names)]
        if self._note:
            parts.append(Text(self._note, "yellow"))
        for stats in self._stats.values():
            if not stats.ready:
                parts.append(Text(f"not ready: {stats.ready_reason}", "red"))
            load = stats.load
            words = _load_words(load)
            parts += [words] if words else []
        parts += [Text(), self._people(width)]
        if not all(frame.model.trained for frame in self._frames.values()):
            parts.append(Text("The model is not trained: its labels are meaningless.", "red"))
        if self._events and width >= MEDIUM:
            parts += [Text(), *(_line(message) for message in self._events)]
        yield _Printable(Group(*parts))

    def _rates(self) -> dict[str, CameraStats]:
        return {camera.camera: camera for stats in self._stats.values() for camera in stats.cameras}

    def _cameras(self, names: list[str], width: int) -> Table:
        headings = ["camera", "state", "people", "age"]
        headings += ["in", "out"] if width >= MEDIUM else []
        headings += ["dropped", "epoch"] if width >= WIDE else []
        table = _table(*headings, flexible="state")
        rates = self._rates()
        for name in names:
            status, frame, rate = self._status.get(name), self._frames.get(name), rates.get(name)
            state = status.state if status else (rate.state if rate else "live")
            state = "unplaced" if name in self._unplaced else state
            shown = Text(state, STATE_COLOUR.get(state, ""), no_wrap=True, overflow="ellipsis")
            if status is not None and status.reason and status.reason != state:
                shown.append(f" {status.reason.replace('_', ' ')}", "dim")
            epoch = frame.epoch if frame else (status.epoch if status else 0)
            cells = [
                str(len(frame.people)) if frame else "",
                duration(self._now() - frame.published_us / 1e6) if frame else "",
                f"{rate.fps_in:.1f}/s" if rate else "",
                f"{rate.fps_out:.1f}/s" if rate else "",
                str(sum(rate.dropped.values())) if rate else "",
                str(epoch),
            ]
            table.add_row(_name(name, width), shown, *cells[: len(headings) - 2])
        return table

    def _problems(self, names: list[str]) -> list[Text]:
        """Return the messages of cameras with problems."""
        statuses = [self._status[name] for name in names if name in self._status and self._status[name].reason]
        return [
            *(Text(status.message, "yellow" if status.state != "ended" else "dim") for status in statuses),
            *(Text(f"{name}: {place.reason}", "yellow") for name, place in sorted(self._unplaced.items())),
        ]

    def _people(self, width: int) -> Table | Text:
        headings = ["camera", "person", "action", "score"]
        headings += ["since"] if width >= NARROW else []
        headings += ["because"] if width >= MEDIUM else []
        table = _table(*headings, flexible="because" if width >= MEDIUM else "action")
        limit = min(PARTS_SHOWN, max(1, (width - OTHER_COLUMNS) // PART_COLUMNS))
        people = [(frame, person) for _, frame in sorted(self._frames.items()) for person in frame.people]
        if not people:
            return Text("no people", "dim")
        for frame, person in people[:PEOPLE_SHOWN]:
            action = person.action
            if action is None:
                cells: list[RenderableType] = [Text("…", "dim"), "", "", ""]
            else:
                label = Text(action.label.replace("_", " "), "cyan", no_wrap=True, overflow="ellipsis")
                label.append(" (experimental)" if action.experimental else "", "yellow")
                since = duration((frame.capture_us - action.since_us) / 1e6)
                cells = [label, f"{action.score:.2f}", since, reasons(person, limit)]
            table.add_row(_name(frame.camera, width), str(person.track), *cells[: len(headings) - 2])
        if len(people) > PEOPLE_SHOWN:
            table.add_row(Text(f"and {len(people) - PEOPLE_SHOWN} more", "dim"))
        return table


def reasons(person: Person, limit: int = PARTS_SHOWN) -> Text:
    """Return the parts that support the action, the most relevant first: a bar of the relevance, and the state."""
    parts = [part for part in person.parts if _state(part) is not None]
    parts.sort(key=lambda part: -part.relevance)
    text = Text(no_wrap=True, overflow="ellipsis")
    for part in parts[:limit]:
        relevance = min(1.0, max(0.0, part.relevance))
        text.append("   " if text else "")
        text.append(BARS[round(relevance * (len(BARS) - 1))], f"rgb({_heat(relevance)})")
        text.append(f" {part.part.replace('_', ' ')} ", f"rgb({_heat(relevance)})")
        text.append(str(_state(part)), "dim")
    return text


def _load_words(load: Load) -> Text | None:
    """Return a line about a reduced quality or an overload; None at full quality without overload."""
    level = load.ease_level
    if load.overloaded:
        reduced = f" at the highest ease level ({level})" if level else ""
        return Text(f"overloaded: frames are dropped{reduced}. Lower max_fps or detector_size", "yellow")
    return Text(reduced_words(level, load.max_ease_level), "dim") if level else None


def duration(seconds: float) -> str:
    """Return a time span in at most seven characters, for example `1.6 s`, `12 min`, `3 h`."""
    seconds = max(0.0, seconds)
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.0f} h"


def _state(part: Part) -> str | None:
    """Return the part's most likely state; None if that is `none`."""
    state = max(part.states, key=lambda one: one[1], default=("none", 0.0))[0]
    return None if state == "none" else state.replace("_", " ")


def _line(message: Event | Alert) -> Text:
    at = datetime.fromtimestamp(message.capture_us / 1e6).strftime("%H:%M:%S")
    text = Text(f"{at}  {message.camera}  ", "dim", no_wrap=True, overflow="ellipsis")
    if isinstance(message, Alert):
        return _alert(message, text)
    text.append(f"person {message.track}  {message.kind} ", "dim")
    text.append(message.label.replace("_", " "), "cyan" if message.kind != "ended" else "dim")
    if message.experimental:
        text.append(" (experimental)", "yellow")
    if message.previous:
        text.append(f" after {message.previous.replace('_', ' ')}", "dim")
    return text


def _alert(alert: Alert, text: Text) -> Text:
    began = alert.state == "began"
    text.append(f"{alert.severity} {alert.rule}" if began else f"{alert.rule} cleared", "bold red" if began else "dim")
    return text.append(f"  {alert.reason}", "" if began else "dim")


def _name(camera: str, width: int) -> Text:
    """Return a camera's name, shortened to fit the terminal."""
    text = Text(camera, "bold")
    text.truncate(20 if width >= NARROW else 10, overflow="ellipsis")
    return text


def _heat(relevance: float) -> str:
    """Return a colour from grey to orange."""
    return f"{int(120 + 135 * relevance)},{int(120 + 40 * relevance)},{int(120 - 100 * relevance)}"


def _table(*headings: str, flexible: str) -> Table:
    """Return a plain table in which the column `flexible` shrinks first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        text = heading in ("camera", "state", "action", "because")
        table.add_column(heading, justify="left" if text else "right", no_wrap=heading != flexible)
    return table


class _Printable:
    """Another renderable, drawn without control characters, which could otherwise control the terminal."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            text, style, control = segment
            if control is None and not text.isprintable():
                yield Segment("".join(letter for letter in text if _is_shown(letter)), style)
            else:
                yield segment


def _is_shown(letter: str) -> bool:
    return letter == "\n" or unicodedata.category(letter) not in HIDDEN_CATEGORIES
