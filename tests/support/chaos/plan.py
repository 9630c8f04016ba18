"""The plan of a chaos run: which fault hits what, when and for how long. It follows from the seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OF_CAMERAS = (
    "camera killed",
    "camera stopped",
    "camera clock stepped",
    "camera size changed",
    "camera garbage",
    "network loss",
    "network cut",
    "camera removed",
    "camera added",
    "camera changed",
)
OF_READERS = (
    "subscriber killed",
    "subscriber stopped",
    "archive killed",
    "archive stopped",
    "notify killed",
    "webhook down",
    "viewers stalled",
)
OF_THE_ENGINE = ("engine stopped", "disk full", "file size limited", "descriptors full", "ports garbage")
RESTARTS = ("engine killed", "engine restarted")
"""Only in the first half of a run: in the second, the memory of one process is watched."""
DISTURBS_ALONE = {*RESTARTS, "engine stopped", "disk full", "file size limited", "descriptors full"}
TWO_AT_ONCE = 0.3


@dataclass(frozen=True)
class Fault:
    """One fault. `amount` is a number from 0 to 1, of which each kind makes its strength."""

    kind: str
    target: int
    hold_s: float
    amount: float


@dataclass(frozen=True)
class Step:
    """After a pause, one or two faults begin together."""

    number: int
    pause_s: float
    faults: tuple[Fault, ...]


def plan(seed: int, *, kinds: Sequence[str] = ()) -> Iterator[Step]:
    """Yield the steps of a seed without end. Each kind comes once before any comes again.

    Restarts of the engine are included; the runner skips them in the second half. `kinds`: only these.
    """
    rng = random.Random(seed)
    wanted = list(kinds or (*OF_CAMERAS, *OF_READERS, *OF_THE_ENGINE, *RESTARTS))
    deck: list[str] = []
    number = 0
    while True:
        if not deck:
            deck = rng.sample(wanted, len(wanted))
        together = [deck.pop()]
        if together[0] not in DISTURBS_ALONE and deck and rng.random() < TWO_AT_ONCE and deck[-1] not in DISTURBS_ALONE:
            together.append(deck.pop())
        faults = tuple(
            Fault(kind, rng.randrange(1_000_000), round(rng.triangular(1, 20, 5), 2), round(rng.random(), 4))
            for kind in together
        )
        yield Step(number, round(rng.uniform(0.5, 6), 2), faults)
        number += 1
