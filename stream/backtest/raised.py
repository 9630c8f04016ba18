"""Alerts as a back-test reports them: one entry for each, from its messages; and those of two rules files compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream.results import Alert


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert. `last`: its latest `began` or `updated` message; `cleared`: the message that ended it, None if open."""

    began: Alert
    last: Alert
    cleared: Alert | None

    @property
    def place(self) -> str | None:
        """The zone or line."""
        return self.began.zone if self.began.line is None else self.began.line

    def ended_us(self, end_us: int) -> int:
        """Return when it ended; `end_us` if it is open."""
        return end_us if self.cleared is None else self.cleared.capture_us


class Comparison(NamedTuple):
    """The alerts of one rules file that the other does not raise."""

    new: list[Raised]
    gone: list[Raised]


def raised_of(messages: Iterable[Alert]) -> list[Raised]:
    """Return the alerts of these messages, in the order in which they began."""
    found: dict[str, Raised] = {}
    for message in messages:
        before = found.get(message.alert)
        if before is None:
            found[message.alert] = Raised(message, message, None)
        elif message.state == "cleared":
            found[message.alert] = Raised(before.began, before.last, message)
        else:
            found[message.alert] = Raised(before.began, message, before.cleared)
    return list(found.values())


def compared(new: Sequence[Raised], old: Sequence[Raised], end_us: int) -> Comparison:
    """Return what is new and what is gone: alerts that overlap none of the same rule, place and person."""
    return Comparison(_unmatched(new, old, end_us), _unmatched(old, new, end_us))


def _unmatched(these: Sequence[Raised], others: Sequence[Raised], end_us: int) -> list[Raised]:
    by_key: dict[tuple[object, ...], list[Raised]] = {}
    for other in others:
        by_key.setdefault(_key(other), []).append(other)
    return [
        one
        for one in these
        if not any(
            one.began.began_us <= other.ended_us(end_us) and other.began.began_us <= one.ended_us(end_us)
            for other in by_key.get(_key(one), ())
        )
    ]


def _key(raised: Raised) -> tuple[object, ...]:
    alert = raised.began
    return (alert.camera, alert.run, alert.epoch, alert.rule, raised.place, alert.track)
