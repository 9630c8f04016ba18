"""Plans which seconds of a camera become clips: from events to windows of media time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.results import Event

ORDINARY = frozenset({"stand", "walk", "sit", "lie", "carry", "other"})
"""Frequent actions that cause clips only if they are configured."""

DEFAULT_SCORE = 0.5
"""Minimum score of an action unless configured."""

MAX_WINDOWS = 4
"""Maximum number of windows, for example if a camera reconnects repeatedly."""

MAX_EVENTS = 64
"""Maximum number of events listed for a clip; further ones only extend it."""


@dataclass(frozen=True, slots=True)
class ClipRules:
    """Which actions cause clips, and durations in µs. `actions`: minimum score by name; None means the defaults."""

    actions: Mapping[str, float] | None
    before_us: int
    after_us: int
    longest_us: int

    def wanted(self, label: str, score: float) -> bool:
        """Return whether an action that begins with this score causes a clip."""
        if self.actions is None:
            return label not in ORDINARY and score >= DEFAULT_SCORE
        min_score = self.actions.get(label)
        return min_score is not None and score >= min_score


class Doing(NamedTuple):
    """What a track does one of at a time: the model's action (None), or a written action by name."""

    track: int
    written: str | None

    @staticmethod
    def of(event: Event) -> Doing:
        """Return what an event is about."""
        return Doing(event.track, event.label if event.source == "rule" else None)


@dataclass(slots=True, eq=False)
class PlannedEvent:
    """An action in a window. Times are in µs; `end_us` is None while it continues."""

    track: int
    action: str
    score: float
    capture_us: int
    media_us: int
    end_us: int | None = None
    experimental: bool = False


@dataclass(slots=True, eq=False)
class Window:
    """A range of media time in one epoch that becomes one clip."""

    rules: ClipRules
    epoch: int
    begin_us: int
    """The wanted begin. The clip begins at the keyframe before it, if there is one."""
    limit_us: int
    """The latest possible end."""
    last_end_us: int = 0
    """The latest end of its completed events."""
    events: list[PlannedEvent] = field(default_factory=list[PlannedEvent])
    ongoing: dict[Doing, PlannedEvent] = field(default_factory=dict["Doing", "PlannedEvent"])
    """Continuing events."""

    @property
    def end_us(self) -> int:
        """The end as known so far. A continuing action extends it to the limit."""
        return self.limit_us if self.ongoing else min(self.limit_us, self.last_end_us + self.rules.after_us)

    @property
    def cut_short(self) -> bool:
        """Whether it ends at the maximum length."""
        return bool(self.ongoing) or self.last_end_us + self.rules.after_us > self.limit_us

    def began(self, media_us: int) -> None:
        """Set the media time of the clip's first frame, from which the maximum length counts."""
        self.limit_us = media_us + self.rules.longest_us

    def add(self, doing: Doing, event: PlannedEvent) -> None:
        """Add an action."""
        if len(self.events) < MAX_EVENTS:
            self.events.append(event)
        self.ongoing[doing] = event

    def end(self, doing: Doing, media_us: int) -> None:
        """End an action."""
        event = self.ongoing.pop(doing, None)
        if event is not None:
            event.end_us = media_us
            self.last_end_us = max(self.last_end_us, media_us)


class ClipPlanner:
    """Turns a camera's events, in order, into `windows`: the clips to write, the first one first."""

    def __init__(self, rules: ClipRules) -> None:
        self.rules = rules
        self.windows: deque[Window] = deque()
        self.refused = 0
        """Events without a clip because too many windows waited."""

    def take(self, event: Event, media_us: int) -> bool:
        """Take an event whose frame has this media time. Return whether it began or changed a window."""
        latest = self.windows[-1] if self.windows else None
        if latest is not None and latest.epoch != event.epoch:
            latest = None
        doing = Doing.of(event)
        changed = latest is not None and doing in latest.ongoing
        if latest is not None:
            latest.end(doing, media_us)
        if event.kind == "ended" or not self.rules.wanted(event.label, event.score):
            return changed
        planned = PlannedEvent(
            event.track, event.label, event.score, event.capture_us, media_us, experimental=event.experimental
        )
        if latest is not None and media_us < latest.limit_us and media_us - self.rules.before_us <= latest.end_us:
            latest.add(doing, planned)
            return True
        if len(self.windows) >= MAX_WINDOWS:
            self.refused += 1
            return changed
        begin_us = max(0, media_us - self.rules.before_us)
        window = Window(self.rules, event.epoch, begin_us, begin_us + self.rules.longest_us)
        window.add(doing, planned)
        self.windows.append(window)
        return True

    def done(self, window: Window) -> None:
        """Remove a window whose clip is written or has failed."""
        if window in self.windows:
            self.windows.remove(window)
