"""Errors of a benchmark submission: each message names the file, the place in it, and what to do.

The types differ by what the user can do: get the file again, correct a value, add what is missing, predict less.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file. `person` counts from 1, in the file's order."""

    file: str
    video: str | None = None
    frame: str | None = None
    person: int | None = None
    part: str | None = None
    field: str | None = None

    def __str__(self) -> str:
        named = [
            ("video", None if self.video is None else repr(self.video)),
            ("frame", None if self.frame is None else repr(self.frame)),
            ("person", self.person),
            ("part", None if self.part is None else repr(self.part)),
            ("field", None if self.field is None else repr(self.field)),
        ]
        steps = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f"{self.file}: {steps}" if steps else self.file


class SubmissionError(ValueError):
    """A result file cannot be evaluated. `problem` says what is wrong at `place` and what to do."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class UnreadableFileError(SubmissionError):
    """A file is missing, cannot be opened, or is not complete JSON."""


class WrongValueError(SubmissionError):
    """A value has the wrong type or length, is not a number, or is missing."""


class MissingVideosError(SubmissionError):
    """A file lacks required videos; `videos` has all of them."""

    def __init__(self, place: Place, videos: Collection[str], of: int) -> None:
        self.videos = tuple(videos)
        super().__init__(
            place,
            f"{len(self.videos)} of {of} videos of the ground truth are missing: {abbreviated(self.videos)}. "
            "Every video needs a class, and frames, even if empty: {}",
        )


class TooManyError(SubmissionError):
    """A frame has more people, or a part more proposals, than the benchmark allows."""


def abbreviated(names: Collection[str]) -> str:
    """Return the first few names, quoted, and the number of the others."""
    shown = ", ".join(repr(name) for _, name in zip(range(_SHOWN), names))
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
