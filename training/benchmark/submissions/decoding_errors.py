"""From a decoder's error in a result file to the place in the file.

The decoder that reads millions of boxes gives only a rough place (`parts[...]`, byte 301). After an error speed no
longer matters, so the file or frame is read again to find the video, the person and the part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from training.benchmark.submissions.submission_errors import (
    Place,
    SubmissionError,
    UnreadableFileError,
    WrongValueError,
)

DECODING_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""Errors that decoding raises: malformed or of the wrong type (msgspec), not UTF-8 (ValueError), nested too deeply."""


class _NotFinite(str):
    """NaN or an infinity, which Python writes into JSON although JSON does not have them."""


def read_bytes(path: Path) -> bytes:
    """Return the file's content. Raises `UnreadableFileError`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableFileError(Place(path.name), f"there is no such file in {str(path.parent)!r}") from None
    except OSError as error:
        raise UnreadableFileError(Place(path.name), f"can't be read: {error.strerror or error}") from None


def in_file(file: str, content: bytes, error: Exception) -> SubmissionError:
    """Return why a whole file could not be decoded as {video: class} or {video: {frame: …}}."""
    if isinstance(error, msgspec.ValidationError):
        problem, path = _split(error)
        try:
            video = _video_unlike(content, expected=b'"' if "expected str" in problem else b"{") if path else None
        except DECODING_ERRORS as further:
            return in_file(file, content, further)
        return WrongValueError(Place(file, video=video), problem)
    try:
        tree = json.loads(content, parse_constant=_NotFinite)
    except RecursionError:
        return UnreadableFileError(Place(file), "is nested too deeply to be a result file")
    except ValueError:
        return UnreadableFileError(Place(file), _malformed(content, error))
    for path, value in _leaves(tree, []):
        if isinstance(value, _NotFinite):
            return WrongValueError(_place(file, path), f"{value} is not a number in JSON")
    return UnreadableFileError(Place(file), _malformed(content, error))


def in_frame(file: str, video: str, frame: str, raw: msgspec.Raw, error: Exception, part_type: type) -> SubmissionError:
    """Return why one frame could not be decoded; `part_type` is the type of its parts."""
    place = Place(file, video, frame)
    if not isinstance(error, msgspec.ValidationError):
        return UnreadableFileError(place, _malformed(bytes(raw), error))
    problem, path = _split(error)
    person = re.match(r"\.humans\[(\d+)\]", path)
    number = None if person is None else int(person[1])
    part = None
    if number is not None and ".parts[...]" in path:
        try:
            parts: dict[str, Any] = msgspec.json.decode(raw)["humans"][number]["parts"]
        except DECODING_ERRORS as further:
            return UnreadableFileError(place, _malformed(bytes(raw), further))
        part = next((name for name, value in parts.items() if not _is(value, part_type)), None)
    fields = re.findall(r"\.(\w+)", path)
    # `.humans[0]` is the person itself and `.parts[...]` the part; `.humans` and `.parts` are fields.
    field = fields[-1] if fields and not re.search(r"(humans\[\d+\]|parts\[\.\.\.\])$", path) else None
    return WrongValueError(Place(file, video, frame, None if number is None else number + 1, part, field), problem)


def _split(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return msgspec's message and the path after it (empty at the top level): `.humans[0].box[2]`."""
    problem, _, path = str(error).partition(" - at `$")
    problem = problem.replace("`", "")
    return problem[:1].lower() + problem[1:], path.rstrip("`")


def _malformed(content: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply to be a result file"
    if not content.strip():
        return "is empty"
    if "truncated" in str(error):
        return f"ends in the middle of a value, after {len(content):,} bytes; write or copy it again"
    return f"is not JSON: {str(error).removeprefix('JSON is malformed: ')}"


def _video_unlike(content: bytes, expected: bytes) -> str | None:
    """Return the first video whose value does not begin like the expected type."""
    values = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    return next((video for video, raw in values.items() if not bytes(raw).lstrip().startswith(expected)), None)


def _is(value: object, kind: type) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _leaves(tree: object, path: list[str | int]) -> Iterator[tuple[list[str | int], object]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, [*path, key])
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _leaves(value, [*path, index])
    else:
        yield path, tree


def _place(file: str, path: list[str | int]) -> Place:
    """Return the place of video / frame / humans / person / (box | parts / part / (box | verb)) / …"""
    video, frame, humans, person, field, part, part_field = [*path, *[None] * 7][:7]
    if humans != "humans" or not isinstance(person, int):
        field = humans if isinstance(humans, str) else None
        return Place(file, _text(video), _text(frame), field=field)
    if field != "parts":
        return Place(file, _text(video), _text(frame), person + 1, field=_text(field))
    return Place(file, _text(video), _text(frame), person + 1, _text(part), _text(part_field))


def _text(step: str | int | None) -> str | None:
    return step if isinstance(step, str) else None
