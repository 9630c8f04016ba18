"""Errors of a data set on disk: their codes, what each means, and the record of one error."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class ErrorCode(StrEnum):
    """Codes of errors, in the order in which reports list them. `MEANING` explains each."""

    MISSING_FOLDER = "missing-folder"
    EMPTY_FOLDER = "empty-folder"
    UNEXPECTED_ENTRY = "unexpected-entry"
    BAD_NAME = "bad-name"
    BROKEN_LINK = "broken-link"
    NOT_READABLE = "not-readable"
    NOT_UTF8 = "not-utf8"
    VIDEO_OUTSIDE_CLASS = "video-outside-class"
    CLASS_WITHOUT_VIDEOS = "class-without-videos"
    DUPLICATE_VIDEO = "duplicate-video"
    MISSING_LIST = "missing-list"
    BAD_LIST = "bad-list"
    BAD_ROW = "bad-row"
    DUPLICATE_ROW = "duplicate-row"
    VIDEO_WITHOUT_ROW = "video-without-row"
    FRAMES_DIFFER = "frames-differ"
    MISSING_VIDEO = "missing-video"
    UNREADABLE_VIDEO = "unreadable-video"
    TRUNCATED_VIDEO = "truncated-video"
    VIDEO_WITHOUT_ANNOTATIONS = "video-without-annotations"
    ANNOTATIONS_WITHOUT_VIDEO = "annotations-without-video"
    FRAME_BEYOND_VIDEO = "frame-beyond-video"
    BAD_FRAME_NAME = "bad-frame-name"
    TRUNCATED_JSON = "truncated-json"
    BAD_JSON = "bad-json"
    NOT_AN_OBJECT = "not-an-object"
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    DUPLICATE_KEY = "duplicate-key"
    BOX_NOT_FINITE = "box-not-finite"
    BOX_REVERSED = "box-reversed"
    BOX_OUTSIDE = "box-outside"
    UNKNOWN_PART = "unknown-part"
    DUPLICATE_PART = "duplicate-part"
    PART_NAME_DIFFERS = "part-name-differs"
    UNKNOWN_VERB = "unknown-verb"


MEANING: dict[ErrorCode, str] = {
    ErrorCode.MISSING_FOLDER: "a folder of the layout is missing",
    ErrorCode.EMPTY_FOLDER: "a folder is empty",
    ErrorCode.UNEXPECTED_ENTRY: "the layout has no such file or folder there",
    ErrorCode.BAD_NAME: "a name can't be used in lists and results",
    ErrorCode.BROKEN_LINK: "the target of a link is missing",
    ErrorCode.NOT_READABLE: "a file or folder can't be read",
    ErrorCode.NOT_UTF8: "a text is not in UTF-8",
    ErrorCode.VIDEO_OUTSIDE_CLASS: "a training video is in no class folder, so its class is unknown",
    ErrorCode.CLASS_WITHOUT_VIDEOS: "a class has annotations but no folder of videos",
    ErrorCode.DUPLICATE_VIDEO: "two videos have the same name",
    ErrorCode.MISSING_LIST: "a list of the layout is missing",
    ErrorCode.BAD_LIST: "a list is empty or has a duplicate entry",
    ErrorCode.BAD_ROW: "a row of a frame list is not a video's name and its number of frames",
    ErrorCode.DUPLICATE_ROW: "a frame list has two rows for one video",
    ErrorCode.VIDEO_WITHOUT_ROW: "a video is not in its frame list",
    ErrorCode.FRAMES_DIFFER: "a video's number of frames differs from its list",
    ErrorCode.MISSING_VIDEO: "a video in a frame list is missing",
    ErrorCode.UNREADABLE_VIDEO: "a video can't be opened or decoded",
    ErrorCode.TRUNCATED_VIDEO: "a video ends before its last frame",
    ErrorCode.VIDEO_WITHOUT_ANNOTATIONS: "a training video has no annotated frame",
    ErrorCode.ANNOTATIONS_WITHOUT_VIDEO: "annotations belong to no training video",
    ErrorCode.FRAME_BEYOND_VIDEO: "an annotated frame comes after the video's last frame",
    ErrorCode.BAD_FRAME_NAME: "an annotation's name is not img_00001.json, counted from 1",
    ErrorCode.TRUNCATED_JSON: "an annotation ends in the middle",
    ErrorCode.BAD_JSON: "an annotation is not JSON",
    ErrorCode.NOT_AN_OBJECT: "an annotation is JSON but not an object",
    ErrorCode.MISSING_FIELD: "a field is missing",
    ErrorCode.WRONG_TYPE: "a field has a value of the wrong type",
    ErrorCode.DUPLICATE_KEY: "an object has the same key twice, so that one value is lost",
    ErrorCode.BOX_NOT_FINITE: "a box has a number that is not finite",
    ErrorCode.BOX_REVERSED: "a box ends before it begins",
    ErrorCode.BOX_OUTSIDE: "a box is completely outside the frame",
    ErrorCode.UNKNOWN_PART: "a part is not in list/body_part.txt",
    ErrorCode.DUPLICATE_PART: "a person has the same part twice",
    ErrorCode.PART_NAME_DIFFERS: "a part's name differs from its key",
    ErrorCode.UNKNOWN_VERB: "a verb is not in list/part_stat.txt",
}


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
