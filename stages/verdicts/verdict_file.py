"""Verdicts of people on what the engine saw, as files: the review page writes them, and training reads them.

    verdicts/verdicts.json               marks the layout
    verdicts/clips/NAME.mp4|.jsonl|.json a clip, as the recorder wrote it
    verdicts/labels/ID.json              a `Verdict` on the alert or event of this id, whose clip is there
    verdicts/log.jsonl                   who changed what and when; for people, not for training
    verdicts/log.1.jsonl                 the log before, once that has become large

Each file is whole or absent: the clip is there before its verdict, which is replaced at once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

SCHEMA = "partstream.verdict/1"
LAYOUT_SCHEMA = "partstream.verdicts/1"
LAYOUT, CLIPS, LABELS, LOG, EARLIER_LOG = "verdicts.json", "clips", "labels", "log.jsonl", "log.1.jsonl"
CLIP_ENDINGS = (".mp4", ".jsonl", ".json")
"""The files of a clip: its video, its results, and its description, which is written last."""

Said = Literal["right", "wrong", "really"]
ID = re.compile(r"e?[0-9a-f]{8}(?:[0-9a-f]{8})?-[0-9]{1,18}")
CLIP = re.compile(r"[A-Za-z0-9_-]{1,160}")
NEW_ACTION = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""The form of the name of an action that the model does not have."""
CAMERA = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LONGEST_NAME = 200
MOST_BOXES = 100_000
MAX_BYTES = 16 << 20
LARGEST_SIDE = 65_535
"""Pixels of a picture's side."""
LARGEST = 2**63 - 1
"""Of an epoch, a track and times."""


class VerdictFileError(ValueError):
    """A file holds no valid verdict. The message names the file and what is wrong."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """What a person said of an action that the engine saw, with the clip and the person's boxes."""

    id: str
    """Of the alert or of the event's action."""
    clip: str
    """The common name of the clip's files."""
    camera: str
    epoch: int
    track: int
    """The person, as in the clip's results."""
    said: str
    """The action that the engine named."""
    verdict: Said
    truth: str | None
    """The true action: `said` if that was right, None if it was wrong and the right one was not named."""
    first_us: int
    """Begin of the action, microseconds from the clip's first frame."""
    end_us: int
    """End of the action, not included."""
    size: tuple[int, int]
    """Width and height of the picture to which the boxes refer."""
    boxes: list[tuple[int, float, float, float, float]]
    """The person's boxes from `first_us` to `end_us`, in order of time: microseconds in the clip, x1, y1, x2, y2."""
    model: str
    """The model that said it: its profile and the digest of its weights."""
    by: str
    """Who gave the verdict: the token's name."""
    at_us: int
    """When, microseconds since 1970, UTC."""


def label_path(folder: Path, name: str) -> Path:
    """Return where the verdict on this alert or event is. Raises ValueError for what is no id."""
    if not ID.fullmatch(name):
        raise ValueError(f"{name!r} is not the id of an alert or event")
    return folder / LABELS / f"{name}.json"


def clip_paths(folder: Path, clip: str) -> list[Path]:
    """Return the paths of a clip's files, in the order of `CLIP_ENDINGS`."""
    return [folder / CLIPS / (clip + ending) for ending in CLIP_ENDINGS]


def layout() -> str:
    """Return the content of the file that marks the layout."""
    return f'{{"schema": "{LAYOUT_SCHEMA}"}}\n'


def is_verdicts_folder(folder: Path) -> bool:
    """Return whether this is a folder of verdicts, in a layout that this version reads."""
    try:
        marked = msgspec.json.decode(_content(folder / LAYOUT))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(marked, dict) and marked.get("schema") == LAYOUT_SCHEMA  # pyright: ignore[reportUnknownMemberType]


def encode(verdict: Verdict) -> str:
    """Return the content of a verdict's file. Raises ValueError if the verdict is invalid."""
    error = _error(verdict)
    if error:
        raise ValueError(error)
    return msgspec.json.encode(verdict).decode() + "\n"


def read(path: Path) -> Verdict:
    """Read a verdict. Raises `VerdictFileError` if the file cannot be read, is damaged, or belongs elsewhere."""
    try:
        verdict = msgspec.json.decode(_content(path), type=Verdict)
    except OSError as error:
        raise VerdictFileError(f"{path.name}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VerdictFileError(f"{path.name}: {error}") from None
    error = _error(verdict) or ("" if path.name == f"{verdict.id}.json" else f"it is the verdict on {verdict.id}")
    if error:
        raise VerdictFileError(f"{path.name}: {error}")
    return verdict


def read_all(folder: Path) -> Iterator[Verdict | VerdictFileError]:
    """Yield every verdict in order of its name; for a file that cannot be used, the error. Raises OSError."""
    for path in sorted((folder / LABELS).glob("[!.]*.json")):
        try:
            yield read(path)
        except VerdictFileError as error:
            yield error


def shows(size: tuple[int, int], box: Sequence[float]) -> bool:
    """Return whether a box (x1, y1, x2, y2) can be that of a person in a picture of this size.

    It is finite and not empty, meets the picture, and reaches at most a picture's width or height beyond its borders.
    """
    (width, height), (x1, y1, x2, y2) = size, box
    across = -width <= x1 < width and max(0, x1) < x2 <= 2 * width
    return across and -height <= y1 < height and max(0, y1) < y2 <= 2 * height


def _content(path: Path) -> bytes:
    """Return what is in a file, which must be a regular one of at most `MAX_BYTES`.

    Opening a pipe would wait for its writer, and a device may never end. Raises OSError and `VerdictFileError`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise VerdictFileError(f"{path.name}: it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise VerdictFileError(f"{path.name}: larger than {MAX_BYTES >> 20} MiB")
    return content


def _error(verdict: Verdict) -> str:
    """Return what is wrong with a verdict, or an empty text."""
    if not ID.fullmatch(verdict.id):
        return "`id` is not the id of an alert or event"
    if not CLIP.fullmatch(verdict.clip):
        return "`clip` is not the name of a clip"
    if not CAMERA.fullmatch(verdict.camera):
        return "`camera` is not the id of a camera"
    for name in ("said", "truth", "model", "by"):
        text: str | None = getattr(verdict, name)
        if text is not None and not (len(text) <= LONGEST_NAME and text.isprintable()):
            return f"`{name}` must have at most {LONGEST_NAME} characters, which can be printed"
    if not verdict.said or verdict.truth == "":
        return "`said` and `truth` must not be empty"
    expected = {"right": verdict.truth == verdict.said, "wrong": verdict.truth is None}
    if not expected.get(verdict.verdict, verdict.truth not in (None, verdict.said)):
        return f"`truth` does not fit the verdict {verdict.verdict}"
    if not all(0 <= number <= LARGEST for number in (verdict.epoch, verdict.track, verdict.at_us)):
        return "`epoch`, `track` and `at_us` must be from 0 to 2^63 - 1"
    if not 0 <= verdict.first_us < verdict.end_us <= LARGEST:
        return "`first_us` must be before `end_us`, and both from 0 to 2^63 - 1"
    if not all(1 <= side <= LARGEST_SIDE for side in verdict.size):
        return f"`size` must be from 1 to {LARGEST_SIDE}"
    if not 0 < len(verdict.boxes) <= MOST_BOXES:
        return f"there must be 1 to {MOST_BOXES} boxes"
    last_us = verdict.first_us - 1
    for at_us, *box in verdict.boxes:
        if not last_us < at_us < verdict.end_us:
            return "the boxes must be in order of time, from `first_us` to `end_us`"
        if not shows(verdict.size, box):
            return "each box must be finite, with x1 < x2 and y1 < y2, and meet the picture"
        last_us = at_us
    return ""
