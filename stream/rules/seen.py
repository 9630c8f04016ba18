"""A person in a frame, as rules see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream.results import Box, Part

NONE: frozenset[str] = frozenset()


class Shown(Protocol):
    """What reasons of alerts say about a person, as the result of the frame has it."""

    @property
    def trunk(self) -> int | None: ...
    @property
    def hips(self) -> float | None: ...
    @property
    def parts(self) -> Sequence[Part]: ...


@dataclass(slots=True)
class Seen:
    """A person in a frame: from a message, or from the columns of an archive."""

    track: int
    box: Box
    zones: Sequence[str]
    crossed: Sequence[tuple[str, str]]
    values: list[float]
    """Those of `CompiledRules.signals`. The evaluator puts the scores of written actions before them."""
    person: Callable[[], Shown]
    """Returns the person of the result, for reasons."""
    entered: frozenset[str] = NONE
    """Zones that the person is in, and was not in when last seen. Set by the evaluator."""
    left: frozenset[str] = NONE
    """Zones that the person was in when last seen, and no longer is. Set by the evaluator."""
    parts: dict[str, list[str]] | None = None
    """Written actions that hold, with the parts that show them. Set by the evaluator."""
