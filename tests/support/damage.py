"""Damaged input for readers of files and messages: what was sound, with a few random changes."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

CHANCES = st.integers(0, 2**32 - 1).map(random.Random)

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2.5, -0.0, 1e308, 10**9, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400),
    *("", "x", "0", "10s", "a" * 5000, "\0", "é\u2028", "../../x", "tcp://127.0.0.1:0", "fleet://x"),
    *([], {}, [[]], [{}], {"": None}, {"x": {"x": {}}}, [1, 2], ["a", "a"], [[0, 0], [1, 0], [1, 1]]),
)
"""Values that fit few fields."""


def damaged_value(chance: random.Random, value: Any) -> Any:
    """Return a copy of plain content with up to three values, keys or items changed."""
    root = [copy.deepcopy(value)]
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(_places(root))
        match chance.randrange(6):
            case 0 if holder is not root:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(("", "x", "id", "enabled", "\n"))] = holder.pop(key)
            case 2 if isinstance(holder, list) and holder is not root:
                holder[key:key] = [copy.deepcopy(holder[key])] * chance.randint(1, 40)
            case 3:
                other, name = chance.choice(_places(root))
                holder[key] = copy.deepcopy(other[name])
            case _:
                holder[key] = copy.deepcopy(chance.choice(JUNK))
    return root[0]


def damaged_bytes(chance: random.Random, data: bytes) -> bytes:
    """Return a copy with bytes changed, removed, repeated or inserted."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0:
                del changed[at:]
            case 1:
                del changed[at : at + chance.randint(1, 40)]
            case 2:
                changed[at:at] = chance.randbytes(chance.randint(1, 20))
            case 3:
                changed[at:at] = changed[max(0, at - chance.randint(1, 60)) : at] * chance.randint(1, 3)
            case _:
                changed[at : at + 1] = bytes((chance.randrange(256),))
    return bytes(changed)


def damaged(chance: random.Random, content: Any, encode: Callable[[Any], bytes]) -> bytes:
    """Return encoded content whose values were changed, or whose bytes were."""
    if chance.random() < 0.3:
        return damaged_bytes(chance, encode(content))
    return encode(damaged_value(chance, content))


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Return each holder and key or index of the content."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [root]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
    return found
