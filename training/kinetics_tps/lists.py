"""The lists of a data set: labels (`list/*.txt`), and frames by video (`list/video_*_flist.csv`).

How the official files look inside isn't documented, so they are read tolerantly: labels one a line, numbered or not;
frame lists with or without a heading, separated by commas, semicolons, tabs or blanks, the video's name first (with or
without folder and `.mp4`) and the number of frames last. Written, they are the plainest of these.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from training.kinetics_tps.data_errors import FaultCode, Report, quoted
from training.kinetics_tps.names import FRAME_LISTS, LISTS, VIDEO_SUFFIX, Split, name_fault

PART_LIST, VERB_LIST, OBJECT_LIST = "body_part.txt", "part_stat.txt", "object.txt"
_NUMBERED = re.compile(r"([0-9]+)[\s,.:;]+(.+)")
_SEPARATORS = (",", ";", "\t", " ")


class Lists(msgspec.Struct, frozen=True):
    """The labels that annotations may use, in the order of the files. An empty list stands for one that isn't there:
    any label is taken then."""

    parts: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


def read_lists(root: Path, report: Report) -> Lists:
    """Read the three lists of labels; one that can't be used is reported and empty."""
    return Lists(*(_read_labels(root / LISTS / name, report) for name in (PART_LIST, VERB_LIST, OBJECT_LIST)))


def parse_labels(text: str) -> tuple[str, ...]:
    """The labels of a list, one a line; the number before each is left out where all have one, counted up by one."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    numbered = [(int(match[1]), match[2].strip()) for match in matches if match and len(match[1]) < 10]
    if len(numbered) == len(lines) and len({number - at for at, (number, _) in enumerate(numbered)}) == 1:
        return tuple(label for _, label in numbered)
    return tuple(lines)


def format_labels(labels: Iterable[str]) -> str:
    """The contents of a list. Raises ValueError for labels that wouldn't be read as they are."""
    labels = tuple(labels)
    text = "".join(f"{label}\n" for label in labels)
    if parse_labels(text) != labels or len(set(labels)) < len(labels):
        raise ValueError("labels must be different, of one line, not numbered, and without blanks at their ends")
    return text


def read_frame_list(root: Path, split: Split, report: Report) -> dict[str, int] | None:
    """Frames by video. Rows that can't be used are reported; None, reported too, where there is no list."""
    path = root / LISTS / FRAME_LISTS[split]
    text = _read_text(path, report)
    if text is None:
        return None
    frames: dict[str, int] = {}
    for line, cells in _rows(text):
        name, count = _name(cells[0]), cells[-1].strip()
        number = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
        if line == 1 and not any(letter.isdigit() for letter in count):
            continue  # the heading
        if len(cells) < 2 or number < 1 or name_fault(name):
            report(FaultCode.BAD_ROW, path, f"line {line}: {quoted(','.join(cells))} is not a name and a frame count")
        elif name in frames:
            report(FaultCode.DUPLICATE_ROW, path, f"line {line}: {quoted(name)} has a row already")
        else:
            frames[name] = number
    return frames


def format_frame_list(frames: Mapping[str, int]) -> str:
    """The contents of a frame list. Raises ValueError for a name or number that it can't hold."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("video", "frames"))
    for name, number in frames.items():
        if fault := name_fault(name):
            raise ValueError(f"video {quoted(name)}: {fault}")
        if number < 1:
            raise ValueError(f"video {quoted(name)}: {number} frames")
        writer.writerow((name, number))
    return text.getvalue()


def _name(cell: str) -> str:
    """The video's name without the folder: in the test list, a folder would be the class."""
    return cell.strip().rpartition("/")[2].removesuffix(VIDEO_SUFFIX)


def _rows(text: str) -> Iterable[tuple[int, list[str]]]:
    """Lines, counted from 1, and their cells; blank lines are left out."""
    lines = text.splitlines()
    first = next((line for line in lines[1:] if line.strip()), lines[0] if lines else "")
    separator = next((sign for sign in _SEPARATORS if sign in first), _SEPARATORS[0])
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, next(csv.reader([line], delimiter=separator))
            except csv.Error:
                yield number, [line]


def _read_labels(path: Path, report: Report) -> tuple[str, ...]:
    text = _read_text(path, report)
    if text is None:
        return ()
    labels = parse_labels(text)
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if not labels:
        report(FaultCode.BAD_LIST, path, "names nothing")
    elif twice:
        report(FaultCode.BAD_LIST, path, f"names {', '.join(map(quoted, twice))} more than once")
    return tuple(dict.fromkeys(labels))


def _read_text(path: Path, report: Report) -> str | None:
    try:
        if path.exists() and not path.is_file():
            report(FaultCode.NOT_READABLE, path, "is not a file")
            return None
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        report(FaultCode.MISSING_LIST, path, "is not there")
    except OSError as error:
        report(FaultCode.NOT_READABLE, path, f"can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        report(FaultCode.NOT_UTF8, path, f"is not in UTF-8 (byte {error.start}); save it as UTF-8")
    return None
