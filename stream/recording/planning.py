"""Which seconds of a camera become clips: from events to windows of media time. Pure; one planner a camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.results import Event

ORDINARY = frozenset({"stand", "walk", "sit", "lie", "carry", "other"})
"""Actions that make no clip unless they are named: what people do most of the day."""

USUAL_SCORE = 0.5
"""The least score of an action where none is configured."""

WINDOWS = 4
"""Windows that may wait for the one that is being written, as when a camera reconnects again and again."""

EVENTS = 64
"""Events of a window that are told one by one; more only make it longer."""


@dataclass(frozen=True, slots=True)
class ClipRules:
    """What makes a clip, and how much of it is kept, µs. `actions`: least score by name; None means the usual ones."""

    actions: Mapping[str, float] | None
    before_us: int
    after_us: int
    longest_us: int

    def wanted(self, label: str, score: float) -> bool:
        """Whether an action that begins with this score makes a clip."""
        if self.actions is None:
            return label not in ORDINARY and score >= USUAL_SCORE
        least = self.actions.get(label)
        return least is not None and score >= least


@dataclass(slots=True, eq=False)
class PlannedEvent:
    """One action that a window was made for; times in µs, `end_us` None while it goes on."""

    track: int
    action: str
    score: float
    capture_us: int
    media_us: int
    end_us: int | None = None


@dataclass(slots=True, eq=False)
class Window:
    """Media time of one epoch that is to become one clip."""

    rules: ClipRules
    epoch: int
    begin_us: int
    """From where it is to be shown; the clip begins at the key frame before, if there is one."""
    limit_us: int
    """Its end at the latest."""
    last_end_us: int = 0
    """When the latest of its events that are over ended."""
    events: list[PlannedEvent] = field(default_factory=list[PlannedEvent])
    ongoing: dict[int, PlannedEvent] = field(default_factory=dict[int, PlannedEvent])
    """By track."""

    @property
    def end_us(self) -> int:
        """Where it ends by what is known so far; an action that goes on can only end it at its limit."""
        return self.limit_us if self.ongoing else min(self.limit_us, self.last_end_us + self.rules.after_us)

    @property
    def cut_short(self) -> bool:
        """Whether it ends because it is as long as a clip may be."""
        return bool(self.ongoing) or self.last_end_us + self.rules.after_us > self.limit_us

    def began(self, media_us: int) -> None:
        """The clip's first picture is this one: its longest length counts from there."""
        self.limit_us = media_us + self.rules.longest_us

    def add(self, event: PlannedEvent) -> None:
        """Another action that belongs to it."""
        if len(self.events) < EVENTS:
            self.events.append(event)
        self.ongoing[event.track] = event

    def end(self, track: int, media_us: int) -> None:
        """The track does something else now, or is gone."""
        event = self.ongoing.pop(track, None)
        if event is not None:
            event.end_us = media_us
            self.last_end_us = max(self.last_end_us, media_us)


class ClipPlanner:
    """Takes a camera's events in order. `windows`: the clips to be written, the first one first."""

    def __init__(self, rules: ClipRules) -> None:
        self.rules = rules
        self.windows: deque[Window] = deque()
        self.refused = 0
        """Events that made no clip because too many waited."""

    def take(self, event: Event, media_us: int) -> bool:
        """An event whose frame has this media time; whether it began or changed a window."""
        latest = self.windows[-1] if self.windows else None
        if latest is not None and latest.epoch != event.epoch:
            latest = None
        changed = latest is not None and event.track in latest.ongoing
        if latest is not None:
            latest.end(event.track, media_us)
        if event.kind == "ended" or not self.rules.wanted(event.label, event.score):
            return changed
        planned = PlannedEvent(event.track, event.label, event.score, event.capture_us, media_us)
        if latest is not None and media_us < latest.limit_us and media_us - self.rules.before_us <= latest.end_us:
            latest.add(planned)
            return True
        if len(self.windows) >= WINDOWS:
            self.refused += 1
            return changed
        begin_us = max(0, media_us - self.rules.before_us)
        window = Window(self.rules, event.epoch, begin_us, begin_us + self.rules.longest_us)
        window.add(planned)
        self.windows.append(window)
        return True

    def done(self, window: Window) -> None:
        """Its clip is written, or will never be."""
        if window in self.windows:
            self.windows.remove(window)
