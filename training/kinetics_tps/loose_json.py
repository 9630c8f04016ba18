"""Tolerant decoding of JSON, which tells almost valid text (NaN, a byte order mark) from other content."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec

from training.kinetics_tps.data_errors import ErrorCode, quoted

FrameErrors = list[tuple[ErrorCode, str]]
"""Codes and messages, each beginning with the place in the file."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode_loosely(raw: bytes) -> tuple[Any, FrameErrors, str]:
    """Return the content or errors; for content that is not strict JSON (NaN), also a message that says so."""
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(raw), [], ""
    except RecursionError:
        return None, [(ErrorCode.BAD_JSON, "the file is nested too deeply")], ""
    except UnicodeDecodeError:
        return None, [(ErrorCode.NOT_UTF8, "the file is not in UTF-8")], ""
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
    try:
        text = raw.decode()
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        return None, [(ErrorCode.NOT_UTF8, f"the file is not in UTF-8 (byte {error.start})")], ""
    except UnicodeEncodeError:
        return None, [(ErrorCode.BAD_JSON, "the file has half a character (\\ud800 … \\udfff alone)")], ""
    except (ValueError, RecursionError):
        if not raw.strip():
            return None, [(ErrorCode.TRUNCATED_JSON, "the file is empty")], ""
        if reason == "Input data was truncated" or reason.endswith(f"(byte {len(raw)})"):
            return None, [(ErrorCode.TRUNCATED_JSON, f"the file ends in the middle, after {len(raw)} bytes")], ""
        return None, [(ErrorCode.BAD_JSON, f"the file is not JSON: {reason}")], ""
    return content, [], f"the file is not JSON: {reason}"


def duplicate_keys(raw: bytes, part_names: frozenset[str]) -> FrameErrors:
    """Return an error for each key that occurs twice in one object; decoders silently keep the last."""
    found: FrameErrors = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, times in Counter(key for key, _ in items).items():
            if times > 1:
                value = next(value for name, value in items if name == key)
                if key in part_names or (isinstance(value, dict) and "verb" in value):
                    found.append((ErrorCode.DUPLICATE_PART, f"one person has the part {quoted(key)} twice"))
                else:
                    found.append((ErrorCode.DUPLICATE_KEY, f"one object has the key {quoted(key)} twice"))
        return dict(items)

    try:
        json.loads(raw.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []  # Numbers too long or nesting too deep for this decoder.
    return found


def kind_of(value: Any) -> str:
    """Return the type of a JSON value in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    return {str: "a text", list: "a list", dict: "an object"}[type(value)]
