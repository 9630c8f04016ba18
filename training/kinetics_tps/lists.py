"""The lists of a data set: labels (`list/*.txt`), and frames by video (`list/video_*_flist.csv`).

The format of the official files is not documented, so they are read tolerantly: one label per line, numbered or not;
frame lists with or without a header, separated by commas, semicolons, tabs or blanks, with the video's name first (with
or without folder and `.mp4`) and the number of frames last.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from training.kinetics_tps.data_errors import ErrorCode, Report, quoted
from training.kinetics_tps.names import FRAME_LISTS, LISTS, VIDEO_SUFFIX, Split, name_error

PART_LIST, VERB_LIST, OBJECT_LIST = "body_part.txt", "part_stat.txt", "object.txt"
_NUMBERED = re.compile(r"([0-9]+)[\s,.:;]+(.+)")
_SEPARATORS = (",", ";", "\t", " ")


class Lists(msgspec.Struct, frozen=True):
    """The labels that annotations may use, in the order of the files.

    An empty list stands for a missing one; any label is accepted then.
    """

    parts: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


def read_lists(root: Path, report: Report) -> Lists:
    """Read the three lists of labels; an unusable list is reported and comes back empty."""
    return Lists(*(_read_labels(root / LISTS / name, report) for name in (PART_LIST, VERB_LIST, OBJECT_LIST)))


def parse_labels(text: str) -> tuple[str, ...]:
    """Return the labels of a list, one per line; line numbers are dropped if all lines have consecutive ones."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    numbered = [(int(match[1]), match[2].strip()) for match in matches if match and len(match[1]) < 10]
    if len(numbered) == len(lines) and len({number - at for at, (number, _) in enumerate(numbered)}) == 1:
        return tuple(label for _, label in numbered)
    return tuple(lines)


def read_frame_list(root: Path, split: Split, report: Report) -> dict[str, int] | None:
    """Return frames by video, or None without a list. Both a missing list and invalid rows are reported."""
    path = root / LISTS / FRAME_LISTS[split]
    text = _read_text(path, report)
    if text is None:
        return None
    frames: dict[str, int] = {}
    for line, cells in _rows(text):
        name, count = _name(cells[0]), cells[-1].strip()
        number = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
        if line == 1 and not any(letter.isdigit() for letter in count):
            continue  # the header
        if len(cells) < 2 or number < 1 or name_error(name):
            report(ErrorCode.BAD_ROW, path, f"line {line}: {quoted(','.join(cells))} is not a name and a frame count")
        elif name in frames:
            report(ErrorCode.DUPLICATE_ROW, path, f"line {line}: {quoted(name)} already has a row")
        else:
            frames[name] = number
    return frames


def _name(cell: str) -> str:
    """Return the video's name without the folder, which in the test list would reveal the class."""
    return cell.strip().rpartition("/")[2].removesuffix(VIDEO_SUFFIX)


def _rows(text: str) -> Iterable[tuple[int, list[str]]]:
    """Yield line numbers from 1 and the cells of each line that is not blank."""
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
        report(ErrorCode.BAD_LIST, path, "is empty")
    elif twice:
        report(ErrorCode.BAD_LIST, path, f"lists {', '.join(map(quoted, twice))} more than once")
    return tuple(dict.fromkeys(labels))


def _read_text(path: Path, report: Report) -> str | None:
    try:
        if path.exists() and not path.is_file():
            report(ErrorCode.NOT_READABLE, path, "is not a file")
            return None
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        report(ErrorCode.MISSING_LIST, path, "is missing")
    except OSError as error:
        report(ErrorCode.NOT_READABLE, path, f"can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        report(ErrorCode.NOT_UTF8, path, f"is not in UTF-8 (byte {error.start}); save it as UTF-8")
    return None
