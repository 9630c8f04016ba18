"""What can be wrong with a data set on disk: the codes, what each means, and one fault of one file. Owns nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class FaultCode(StrEnum):
    """The kinds of faults, in the order in which reports list them. `MEANING` has a sentence for each."""

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


MEANING: dict[FaultCode, str] = {
    FaultCode.MISSING_FOLDER: "a folder of the layout is not there",
    FaultCode.EMPTY_FOLDER: "a folder holds nothing",
    FaultCode.UNEXPECTED_ENTRY: "the layout has no such file or folder there",
    FaultCode.BAD_NAME: "a name can't stand in lists and results",
    FaultCode.BROKEN_LINK: "a link leads nowhere",
    FaultCode.NOT_READABLE: "a file or folder can't be read",
    FaultCode.NOT_UTF8: "a text is not in UTF-8",
    FaultCode.VIDEO_OUTSIDE_CLASS: "a training video lies in no class folder, so its class isn't known",
    FaultCode.CLASS_WITHOUT_VIDEOS: "a class has annotations and no folder of videos",
    FaultCode.DUPLICATE_VIDEO: "two videos have one name",
    FaultCode.MISSING_LIST: "a list of the layout is not there",
    FaultCode.BAD_LIST: "a list is empty or names something twice",
    FaultCode.BAD_ROW: "a row of a frame list is not a video's name and its number of frames",
    FaultCode.DUPLICATE_ROW: "a frame list has two rows for one video",
    FaultCode.VIDEO_WITHOUT_ROW: "a video is not in its frame list",
    FaultCode.FRAMES_DIFFER: "a video has more or fewer frames than its list says",
    FaultCode.MISSING_VIDEO: "a frame list names a video that is not there",
    FaultCode.UNREADABLE_VIDEO: "a video can't be opened or decoded",
    FaultCode.TRUNCATED_VIDEO: "a video ends before its last frame",
    FaultCode.VIDEO_WITHOUT_ANNOTATIONS: "a training video has no annotated frame",
    FaultCode.ANNOTATIONS_WITHOUT_VIDEO: "annotations belong to no training video",
    FaultCode.FRAME_BEYOND_VIDEO: "an annotated frame comes after the video's last one",
    FaultCode.BAD_FRAME_NAME: "an annotation isn't named img_00001.json, counted from 1",
    FaultCode.TRUNCATED_JSON: "an annotation ends in the middle",
    FaultCode.BAD_JSON: "an annotation is not JSON",
    FaultCode.NOT_AN_OBJECT: "an annotation is JSON, and not an object",
    FaultCode.MISSING_FIELD: "a field is not there",
    FaultCode.WRONG_TYPE: "a field holds something else than it should",
    FaultCode.DUPLICATE_KEY: "an object names a field twice, so that one of the two is lost",
    FaultCode.BOX_NOT_FINITE: "a box has a number that isn't finite",
    FaultCode.BOX_REVERSED: "a box ends before it begins",
    FaultCode.BOX_OUTSIDE: "a box lies wholly outside the picture",
    FaultCode.UNKNOWN_PART: "a part is not in list/body_part.txt",
    FaultCode.DUPLICATE_PART: "a person has one part twice",
    FaultCode.PART_NAME_DIFFERS: "a part's name is not the key that it stands under",
    FaultCode.UNKNOWN_VERB: "a verb is not in list/part_stat.txt",
}


class Fault(NamedTuple):
    """One thing that is wrong with one file or folder."""

    code: FaultCode
    file: str
    """Relative to the data set, printable."""
    message: str
    """A sentence about the file, without its name."""


Report = Callable[[FaultCode, Path, str], None]
"""Called with a fault's code, the file's path and the sentence."""


def shown(path: Path, root: Path) -> str:
    """The path relative to the data set as it can be printed and written anywhere: what can't be is escaped."""
    relative = path.relative_to(root) if path.is_relative_to(root) else path
    return printable(relative.as_posix())


def printable(text: str) -> str:
    """The text with line breaks, control characters and bytes that aren't UTF-8 escaped."""
    return (
        text if text.isprintable() else "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)
    )


def _escaped(letter: str) -> str:
    undecoded = "\udc80" <= letter <= "\udcff"  # how Python holds a byte of a file's name that isn't UTF-8
    return f"\\x{ord(letter) & 0xFF:02x}" if undecoded else repr(letter)[1:-1]


def quoted(text: str) -> str:
    """The text between quotes, escaped and cut where it is long."""
    return f"'{printable(text if len(text) <= 60 else text[:59] + '…')}'"
