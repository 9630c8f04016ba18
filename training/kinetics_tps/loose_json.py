"""JSON as it comes from the world: what isn't quite JSON is told from what isn't at all. Pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec

from training.kinetics_tps.data_errors import FaultCode, quoted

FrameFaults = list[tuple[FaultCode, str]]
"""Codes and sentences, each beginning with the place in the file."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode_loosely(raw: bytes) -> tuple[Any, FrameFaults, str]:
    """The content, or faults; what isn't quite JSON (NaN) is read all the same, with a sentence that says so."""
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(raw), [], ""
    except RecursionError:
        return None, [(FaultCode.BAD_JSON, "the file is nested too deeply")], ""
    except UnicodeDecodeError:
        return None, [(FaultCode.NOT_UTF8, "the file is not in UTF-8")], ""
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
    try:
        text = raw.decode()
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        return None, [(FaultCode.NOT_UTF8, f"the file is not in UTF-8 (byte {error.start})")], ""
    except UnicodeEncodeError:
        return None, [(FaultCode.BAD_JSON, "the file has half a character (\\ud800 … \\udfff alone)")], ""
    except (ValueError, RecursionError):
        if not raw.strip():
            return None, [(FaultCode.TRUNCATED_JSON, "the file is empty")], ""
        if reason == "Input data was truncated" or reason.endswith(f"(byte {len(raw)})"):
            return None, [(FaultCode.TRUNCATED_JSON, f"the file ends in the middle, after {len(raw)} bytes")], ""
        return None, [(FaultCode.BAD_JSON, f"the file is not JSON: {reason}")], ""
    return content, [], f"the file is not JSON: {reason}"


def duplicate_keys(raw: bytes, part_names: frozenset[str]) -> FrameFaults:
    """Keys that stand twice in one object: a decoder keeps the last and says nothing."""
    found: FrameFaults = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, times in Counter(key for key, _ in items).items():
            if times > 1:
                value = next(value for name, value in items if name == key)
                if key in part_names or (isinstance(value, dict) and "verb" in value):
                    found.append((FaultCode.DUPLICATE_PART, f"one person has the part {quoted(key)} twice"))
                else:
                    found.append((FaultCode.DUPLICATE_KEY, f"one object has the key {quoted(key)} twice"))
        return dict(items)

    try:
        json.loads(raw.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []  # numbers too long or nesting too deep for this decoder: not in what has a part twice
    return found


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    return {str: "a text", list: "a list", dict: "an object"}[type(value)]
