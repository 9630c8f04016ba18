"""Verdicts of people on what the engine saw, as files: the review page writes them, and training reads them.

    verdicts/verdicts.json               marks the layout
    verdicts/clips/NAME.mp4|.jsonl|.json a clip, as the recorder wrote it
    verdicts/labels/ID.json              a `Verdict` on the alert or event of this id, whose clip is there
    verdicts/log.jsonl                   who changed what and when; for people, not for training

Each file is whole or absent: the clip is there before its verdict, which is replaced at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

SCHEMA = "partstream.verdict/1"
LAYOUT_SCHEMA = "partstream.verdicts/1"
LAYOUT, CLIPS, LABELS, LOG = "verdicts.json", "clips", "labels", "log.jsonl"
CLIP_ENDINGS = (".mp4", ".jsonl", ".json")
"""The files of a clip: its video, its results, and its description, which is written last."""

Said = Literal["right", "wrong", "really"]
ID = re.compile(r"e?[0-9a-f]{8}(?:[0-9a-f]{8})?-[0-9]{1,18}")
CLIP = re.compile(r"[A-Za-z0-9_-]{1,160}")
NEW_ACTION = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""The form of the name of an action that the model does not have."""
LONGEST_NAME = 200
MOST_BOXES = 100_000
MAX_BYTES = 16 << 20


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
        marked = msgspec.json.decode((folder / LAYOUT).read_bytes())
    except (OSError, ValueError):
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
        if path.stat().st_size > MAX_BYTES:
            raise VerdictFileError(f"{path.name}: larger than {MAX_BYTES >> 20} MiB")
        verdict = msgspec.json.decode(path.read_bytes(), type=Verdict)
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


def _error(verdict: Verdict) -> str:
    """Return what is wrong with a verdict, or an empty text."""
    if not ID.fullmatch(verdict.id):
        return "`id` is not the id of an alert or event"
    if not CLIP.fullmatch(verdict.clip):
        return "`clip` is not the name of a clip"
    if not all(0 < len(name) <= LONGEST_NAME for name in (verdict.said, verdict.truth or verdict.said)):
        return f"`said` and `truth` must have 1 to {LONGEST_NAME} characters"
    expected = {"right": verdict.truth == verdict.said, "wrong": verdict.truth is None}
    if not expected.get(verdict.verdict, verdict.truth not in (None, verdict.said)):
        return f"`truth` does not fit the verdict {verdict.verdict}"
    if not 0 <= verdict.first_us < verdict.end_us:
        return "`first_us` must be before `end_us`, and not negative"
    if min(verdict.size) < 1:
        return "`size` must be positive"
    if not 0 < len(verdict.boxes) <= MOST_BOXES:
        return f"there must be 1 to {MOST_BOXES} boxes"
    last_us = verdict.first_us - 1
    for at_us, x1, y1, x2, y2 in verdict.boxes:
        if not last_us < at_us < verdict.end_us:
            return "the boxes must be in order of time, from `first_us` to `end_us`"
        if not all(map(math.isfinite, (x1, y1, x2, y2))) or x1 >= x2 or y1 >= y2:
            return "each box must be finite, with x1 < x2 and y1 < y2"
        last_us = at_us
    return ""
