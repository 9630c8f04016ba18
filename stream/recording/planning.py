"""Plans which seconds of a camera become clips: from events and alerts to windows of media time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.results import Alert, Event

ORDINARY = frozenset({"stand", "walk", "sit", "lie", "carry", "other"})
"""Frequent actions that cause clips only if they are configured."""

DEFAULT_SCORE = 0.5
"""Minimum score of an action unless configured."""

MAX_WINDOWS = 4
"""Maximum number of windows, for example if a camera reconnects repeatedly."""

MAX_CAUSES = 64
"""Maximum number of events and alerts listed for a clip; further ones only extend it."""


@dataclass(frozen=True, slots=True)
class ClipRules:
    """What causes clips, and durations in µs. `actions`: minimum score by name; None means the defaults."""

    actions: Mapping[str, float] | None
    before_us: int
    after_us: int
    longest_us: int
    alerts: bool = True
    """Whether alerts cause clips."""

    def begins(self, message: Event | Alert) -> bool:
        """Return whether a message begins something that causes a clip."""
        if isinstance(message, Alert):
            return self.alerts and message.state == "began"
        return message.kind != "ended" and wanted(self.actions, message.label, message.score)


def wanted(actions: Mapping[str, float] | None, label: str, score: float) -> bool:
    """Return whether an action that begins with this score is one of `actions`, as in `ClipRules`."""
    if actions is None:
        return label not in ORDINARY and score >= DEFAULT_SCORE
    min_score = actions.get(label)
    return min_score is not None and score >= min_score


Doing = tuple[int, str | None] | str
"""What lasts: of a track, the model's action (None) or a written action by name; or an alert by its id."""


def doing_of(message: Event | Alert) -> Doing:
    """Return what a message is about."""
    if isinstance(message, Alert):
        return message.alert
    return message.track, message.label if message.source == "rule" else None


@dataclass(slots=True, eq=False)
class Cause:
    """An action or alert in a window. Times are in µs; `end_us` is None while it continues."""

    message: Event | Alert
    """The message that began it."""
    media_us: int
    end_us: int | None = None

    @property
    def name(self) -> str:
        """The action or, for an alert, the rule."""
        return self.message.rule if isinstance(self.message, Alert) else self.message.label


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
    """The latest end of its completed causes."""
    causes: list[Cause] = field(default_factory=list[Cause])
    ongoing: dict[Doing, Cause] = field(default_factory=dict[Doing, Cause])
    """Continuing causes."""

    @property
    def end_us(self) -> int:
        """The end as known so far. A continuing cause extends it to the limit."""
        return self.limit_us if self.ongoing else min(self.limit_us, self.last_end_us + self.rules.after_us)

    @property
    def cut_short(self) -> bool:
        """Whether it ends at the maximum length."""
        return bool(self.ongoing) or self.last_end_us + self.rules.after_us > self.limit_us

    def began(self, media_us: int) -> None:
        """Set the media time of the clip's first frame, from which the maximum length counts."""
        self.limit_us = media_us + self.rules.longest_us

    def add(self, doing: Doing, cause: Cause) -> None:
        """Add an action or alert."""
        if len(self.causes) < MAX_CAUSES:
            self.causes.append(cause)
        self.ongoing[doing] = cause

    def end(self, doing: Doing, media_us: int) -> None:
        """End an action or alert."""
        cause = self.ongoing.pop(doing, None)
        if cause is not None:
            cause.end_us = media_us
            self.last_end_us = max(self.last_end_us, media_us)


class ClipPlanner:
    """Turns a camera's events and alerts, in order, into `windows`: the clips to write, the first one first."""

    def __init__(self, rules: ClipRules) -> None:
        self.rules = rules
        self.windows: deque[Window] = deque()
        self.refused = 0
        """Events and alerts without a clip because too many windows waited."""

    def take(self, message: Event | Alert, media_us: int) -> bool:
        """Take a message whose frame has this media time. Return whether it began or changed a window."""
        if isinstance(message, Alert) and message.state == "updated":
            return False
        latest = self.windows[-1] if self.windows else None
        if latest is not None and latest.epoch != message.epoch:
            latest = None
        doing = doing_of(message)
        changed = latest is not None and doing in latest.ongoing
        if latest is not None:
            latest.end(doing, media_us)
        if not self.rules.begins(message):
            return changed
        cause = Cause(message, media_us)
        if latest is not None and media_us < latest.limit_us and media_us - self.rules.before_us <= latest.end_us:
            latest.add(doing, cause)
            return True
        if len(self.windows) >= MAX_WINDOWS:
            self.refused += 1
            return changed
        begin_us = max(0, media_us - self.rules.before_us)
        window = Window(self.rules, message.epoch, begin_us, begin_us + self.rules.longest_us)
        window.add(doing, cause)
        self.windows.append(window)
        return True

    def done(self, window: Window) -> None:
        """Remove a window whose clip is written or has failed."""
        if window in self.windows:
            self.windows.remove(window)
