"""Errors of a data set on disk: their codes, what each means, and the record of one error."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class ErrorCode(StrEnum):
    """Codes of errors and their meaning, in the order in which reports list them."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> ErrorCode:
        made = str.__new__(cls, code)
        made._value_, made.meaning = code, meaning
        return made

    MISSING_FOLDER = "missing-folder", "a folder of the layout is missing"
    EMPTY_FOLDER = "empty-folder", "a folder is empty"
    UNEXPECTED_ENTRY = "unexpected-entry", "the layout has no such file or folder there"
    BAD_NAME = "bad-name", "a name can't be used in lists and results"
    BROKEN_LINK = "broken-link", "the target of a link is missing"
    NOT_READABLE = "not-readable", "a file or folder can't be read"
    NOT_UTF8 = "not-utf8", "a text is not in UTF-8"
    VIDEO_OUTSIDE_CLASS = "video-outside-class", "a training video is in no class folder, so its class is unknown"
    CLASS_WITHOUT_VIDEOS = "class-without-videos", "a class has annotations but no folder of videos"
    DUPLICATE_VIDEO = "duplicate-video", "two videos have the same name"
    MISSING_LIST = "missing-list", "a list of the layout is missing"
    BAD_LIST = "bad-list", "a list is empty or has a duplicate entry"
    BAD_ROW = "bad-row", "a row of a frame list is not a video's name and its number of frames"
    DUPLICATE_ROW = "duplicate-row", "a frame list has two rows for one video"
    VIDEO_WITHOUT_ROW = "video-without-row", "a video is not in its frame list"
    FRAMES_DIFFER = "frames-differ", "a video's number of frames differs from its list"
    MISSING_VIDEO = "missing-video", "a video in a frame list is missing"
    UNREADABLE_VIDEO = "unreadable-video", "a video can't be opened or decoded"
    TRUNCATED_VIDEO = "truncated-video", "a video ends before its last frame"
    VIDEO_WITHOUT_ANNOTATIONS = "video-without-annotations", "a training video has no annotated frame"
    ANNOTATIONS_WITHOUT_VIDEO = "annotations-without-video", "annotations belong to no training video"
    FRAME_BEYOND_VIDEO = "frame-beyond-video", "an annotated frame comes after the video's last frame"
    BAD_FRAME_NAME = "bad-frame-name", "an annotation's name is not img_00001.json, counted from 1"
    BAD_JSON = "bad-json", "an annotation is not JSON of the layout"
    BOX_REVERSED = "box-reversed", "a box ends before it begins"
    BOX_OUTSIDE = "box-outside", "a box is completely outside the frame"
    UNKNOWN_PART = "unknown-part", "a part is not in list/body_part.txt"
    PART_NAME_DIFFERS = "part-name-differs", "a part's name differs from its key"
    UNKNOWN_VERB = "unknown-verb", "a verb is not in list/part_stat.txt"


class DataError(NamedTuple):
    """One error in one file or folder."""

    code: ErrorCode
    file: str
    """Relative to the data set, printable."""
    message: str
    """A predicate about the file, without its name."""


Report = Callable[[ErrorCode, Path, str], None]
"""Called with an error's code, the file's path and the message."""


def shown(path: Path, root: Path) -> str:
    """Return the path relative to the data set, escaped so that it can be printed anywhere."""
    relative = path.relative_to(root) if path.is_relative_to(root) else path
    return printable(relative.as_posix())


def printable(text: str) -> str:
    """Return the text with line breaks, control characters and bytes that are not UTF-8 escaped."""
    return (
        text if text.isprintable() else "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)
    )


def _escaped(letter: str) -> str:
    undecoded = "\udc80" <= letter <= "\udcff"  # Python's form of a byte that is not UTF-8 in a file's name
    return f"\\x{ord(letter) & 0xFF:02x}" if undecoded else repr(letter)[1:-1]


def quoted(text: str) -> str:
    """Return the text in quotes, escaped, and cut if it is long."""
    return f"'{printable(text if len(text) <= 60 else text[:59] + '…')}'"
