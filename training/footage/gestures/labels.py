"""Labels of gestures in videos of a data folder: when the person who acts raises both arms or has a hand at the head.

There is one JSON file per labelling, `raised_and_head.<labeller>.json`. It defines each gesture in words and lists
clips: a video of a source, by file name without extension and by SHA-256, its person, its half, and for each gesture
the spans in which it is `shown` and those in which it is `unsure`. At all other times the gesture is absent.

    {"labeller": "a", "made": "…", "every": 0.25, "gestures": {"hand_at_head": "At least one hand …"},
     "clips": [{"source": "asl", "clip": "learn", "sha256": "24a9…", "fps": 30.0, "frames": 61,
                "person": "yellow hoodie woman", "half": "development",
                "spans": {"hand_at_head": {"shown": [[0.75, 1.5]], "unsure": []}}}]}

A span is [start, end] in seconds of media time, without its end. Starts and ends are multiples of `every`, except that
a span may stop with its clip. A person is local to a source, and in one half only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec

from training.footage.labels import Half, LabelError

_SAME_INSTANT_S = 1e-3


class GestureSpan(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Seconds `start` to `end` (exclusive) of a clip."""

    start: float
    end: float


class GestureSpans(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one gesture is shown in a clip, and where that is unclear, each in order of time."""

    shown: tuple[GestureSpan, ...] = ()
    unsure: tuple[GestureSpan, ...] = ()

    def at(self, time: float) -> bool | None:
        """Return whether the gesture is shown at that second, None if it is unsure."""
        if any(span.start <= time < span.end for span in self.unsure):
            return None
        return any(span.start <= time < span.end for span in self.shown)


class GestureClip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One video of a data folder. `spans` has every gesture of the file; `person` is local to `source`."""

    source: str
    clip: str
    sha256: str
    fps: float
    frames: int
    person: str
    half: Half
    spans: dict[str, GestureSpans]

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


class GestureLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One labelling: `gestures` has each gesture's definition, `every` the seconds between the labelled instants."""

    labeller: str
    made: str
    every: float
    gestures: dict[str, str]
    clips: tuple[GestureClip, ...]


def read_gesture_labels(path: Path) -> GestureLabels:
    """Read and check a label file. Raises `LabelError`, with one error per line."""
    try:
        labels = msgspec.json.decode(path.read_bytes(), type=GestureLabels)
    except OSError as error:
        raise LabelError(f"{path}: can't be read ({error.strerror or error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: not a file of gesture labels: {error}") from error
    if errors := [*_errors_of_file(labels), *(error for clip in labels.clips for error in _errors_of(clip, labels))]:
        raise LabelError("\n  ".join([f"{path}:", *errors]))
    return labels


def instants(clip: GestureClip, every: float) -> list[float]:
    """Return the middle of each `every` seconds of a clip that lies in it, in seconds."""
    return [(number + 0.5) * every for number in range(math.floor(clip.seconds / every + 0.5))]


def _errors_of_file(labels: GestureLabels) -> Iterable[str]:
    if not 0 < labels.every < math.inf:
        yield "every: must be a positive number of seconds"
    names = [(clip.source, clip.clip) for clip in labels.clips]
    yield from (f"{source}/{clip}: there are two" for source, clip in sorted({n for n in names if names.count(n) > 1}))
    halves: dict[tuple[str, str], Half] = {}
    for clip in labels.clips:
        if halves.setdefault((clip.source, clip.person), clip.half) != clip.half:
            yield f"{clip.source}/{clip.clip}: {clip.person} is in both halves"


def _errors_of(clip: GestureClip, labels: GestureLabels) -> Iterable[str]:
    name = f"{clip.source}/{clip.clip}"
    if len(clip.sha256) != 64 or set(clip.sha256) - set("0123456789abcdef"):
        yield f"{name}: sha256 must be 64 hex digits of the video's hash"
    if not (0 < clip.fps < math.inf and clip.frames >= 1):
        yield f"{name}: fps and frames must be positive"
        return
    if set(clip.spans) != set(labels.gestures):
        yield f"{name}: spans must have the gestures {', '.join(labels.gestures)}"
    for gesture, spans in clip.spans.items():
        for one in (spans.shown, spans.unsure, tuple(sorted((*spans.shown, *spans.unsure), key=lambda s: s.start))):
            if any(later.start < before.end - _SAME_INSTANT_S for before, later in pairwise(one)):
                yield f"{name}: the spans of {gesture} must be in order and must not overlap"
        for span in (*spans.shown, *spans.unsure):
            if not 0 <= span.start < span.end <= clip.seconds + _SAME_INSTANT_S:
                yield f"{name}: {span.start:g} to {span.end:g} s of {gesture} is not within {clip.seconds:.2f} s"
            elif any(not _on_grid(time, labels.every) for time in (span.start, span.end)) and not (
                _on_grid(span.start, labels.every) and clip.seconds - span.end < labels.every
            ):
                yield f"{name}: {span.start:g} to {span.end:g} s of {gesture} must be multiples of {labels.every:g} s"


def _on_grid(time: float, every: float) -> bool:
    return abs(time - round(time / every) * every) <= _SAME_INSTANT_S
