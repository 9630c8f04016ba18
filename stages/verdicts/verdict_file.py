"""Verdicts of people on what the engine saw, as files: the review page writes them, and training reads them.

    verdicts/verdicts.json               marks the layout
    verdicts/clips/NAME.mp4|.jsonl|.json a clip, as the recorder wrote it
    verdicts/labels/ID.json              a `Verdict` on the alert or event of this id, whose clip is there
    verdicts/log.jsonl                   who changed what and when; for people, not for training
    verdicts/log.1.jsonl                 the log before, once that has become large

Each file is whole or absent: the clip is there before its verdict, which is replaced at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

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
LONGEST_NAME = 200
MOST_BOXES = 100_000

Count = Annotated[int, msgspec.Meta(ge=0)]
Side = Annotated[int, msgspec.Meta(ge=1)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]


class VerdictFileError(ValueError):
    """A file holds no valid verdict. The message names the file and what is wrong."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """What a person said of an action that the engine saw, with the clip and the person's boxes."""

    id: Annotated[str, msgspec.Meta(pattern=f"^{ID.pattern}$")]
    """Of the alert or of the event's action."""
    clip: Annotated[str, msgspec.Meta(pattern=f"^{CLIP.pattern}$")]
    """The common name of the clip's files."""
    camera: str
    epoch: Count
    track: Count
    """The person, as in the clip's results."""
    said: Text
    """The action that the engine named."""
    verdict: Said
    truth: Text | None
    """The true action: `said` if that was right, None if it was wrong and the right one was not named."""
    first_us: Count
    """Begin of the action, microseconds from the clip's first frame."""
    end_us: Count
    """End of the action, not included."""
    size: tuple[Side, Side]
    """Width and height of the picture to which the boxes refer."""
    boxes: Annotated[list[tuple[int, float, float, float, float]], msgspec.Meta(min_length=1, max_length=MOST_BOXES)]
    """The person's boxes from `first_us` to `end_us`, in order of time: microseconds in the clip, x1, y1, x2, y2."""
    model: str
    """The model that said it: its profile and the digest of its weights."""
    by: str
    """Who gave the verdict: the token's name."""
    at_us: int
    """When, microseconds since 1970, UTC."""

    def __post_init__(self) -> None:
        expected = {"right": self.truth == self.said, "wrong": self.truth is None}
        if not expected.get(self.verdict, self.truth not in (None, self.said)):
            raise ValueError(f"`truth` does not fit the verdict {self.verdict}")
        if not self.first_us < self.end_us:
            raise ValueError("`first_us` must be before `end_us`")
        times = [self.first_us - 1, *(at_us for at_us, *_ in self.boxes), self.end_us]
        if not all(before < after for before, after in pairwise(times)):
            raise ValueError("the boxes must be in order of time, from `first_us` to `end_us`")
        if not all(shows(self.size, box) for _, *box in self.boxes):
            raise ValueError("each box must be finite, with x1 < x2 and y1 < y2, and meet the picture")


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
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(marked, dict) and marked.get("schema") == LAYOUT_SCHEMA  # pyright: ignore[reportUnknownMemberType]


def encode(verdict: Verdict) -> str:
    """Return the content of a verdict's file."""
    return msgspec.json.encode(verdict).decode() + "\n"


def read(path: Path) -> Verdict:
    """Read a verdict. Raises `VerdictFileError` if the file cannot be read, is damaged, or belongs elsewhere."""
    try:
        verdict = msgspec.json.decode(path.read_bytes(), type=Verdict)
    except OSError as error:
        raise VerdictFileError(f"{path.name}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VerdictFileError(f"{path.name}: {error}") from None
    if path.name != f"{verdict.id}.json":
        raise VerdictFileError(f"{path.name}: it is the verdict on {verdict.id}")
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
