"""BVH files: the hierarchy, the channels' values, and the joints' positions from them (forward kinematics)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.reading import FormatError, numbers, text_lines

Array = NDArray[np.float64]
Channel = tuple[str, int]
"""`position` or `rotation`, and the axis, 0 to 2."""

END = "_end"
"""An `End Site` is named as its parent with this ending."""
_CHUNK = 2048
"""Frames whose rotations are held at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Bvh:
    """A BVH file with J nodes (joints and end sites) over T frames.

    `names` [J]; `parents` [J], −1 for the root, parents come first; `offsets` float64 [J, 3]; `channels` [J], each
    node's in the order of the file; `motion` float32 [T, channels of all nodes]; `frame_s`: seconds between frames.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    channels: tuple[tuple[Channel, ...], ...]
    motion: NDArray[np.float32]
    frame_s: float

    def positions(self, nodes: Sequence[int]) -> NDArray[np.float32]:
        """Return the positions [T, len(nodes), 3] of these nodes, in the file's unit and axes."""
        found = np.empty((len(self.motion), len(nodes), 3), np.float32)
        needed: set[int] = set()
        for node in nodes:
            while node >= 0 and node not in needed:
                needed.add(node)
                node = self.parents[node]
        deltas = self._deltas()
        for first in range(0, len(self.motion), _CHUNK):
            rows = slice(first, first + _CHUNK)
            found[rows] = self._chunk(self.motion[rows].astype(np.float64), nodes, needed, deltas)
        return found

    def _columns(self) -> list[int]:
        """Return each node's first column in `motion`."""
        return np.cumsum([0, *(len(channels) for channels in self.channels)]).tolist()

    def _deltas(self) -> set[int]:
        """Return the nodes whose position channels are added to the offset.

        The root's are positions in the world. Below it, files differ: most repeat the offset in the channels, some
        hold the deviation from it.
        """
        columns = self._columns()
        added: set[int] = set()
        for node, channels in enumerate(self.channels):
            places = [(columns[node] + n, axis) for n, (kind, axis) in enumerate(channels) if kind == "position"]
            if self.parents[node] < 0 or not places:
                continue
            values = self.motion[:, [column for column, _ in places]]
            offset = self.offsets[node, [axis for _, axis in places]]
            if np.abs(values).mean() < np.abs(values - offset).mean():
                added.add(node)
        return added

    def _chunk(self, motion: Array, nodes: Sequence[int], needed: set[int], deltas: set[int]) -> Array:
        columns, frames = self._columns(), len(motion)
        rotation: dict[int, Array] = {}
        place: dict[int, Array] = {}
        for node in sorted(needed):
            local = np.repeat(self.offsets[node][None], frames, 0)
            turn = np.broadcast_to(np.eye(3), (frames, 3, 3))
            for number, (kind, axis) in enumerate(self.channels[node]):
                values = motion[:, columns[node] + number]
                if kind == "rotation":
                    turn = turn @ axis_rotations(axis, np.radians(values))
                else:
                    local[:, axis] = values + (self.offsets[node, axis] if node in deltas else 0)
            parent = self.parents[node]
            if parent < 0:
                rotation[node], place[node] = turn, local
            else:
                rotation[node] = rotation[parent] @ turn
                place[node] = place[parent] + np.einsum("tij,tj->ti", rotation[parent], local)
        return np.stack([place[node] for node in nodes], 1)


def axis_rotations(axis: int, radians: Array) -> Array:
    """Return the rotations [T, 3, 3] by angles [T] about the axis 0, 1 or 2, for column vectors."""
    cos, sin = np.cos(radians), np.sin(radians)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    found = np.zeros((len(radians), 3, 3))
    found[:, axis, axis] = 1
    found[:, first, first] = found[:, second, second] = cos
    found[:, first, second], found[:, second, first] = -sin, sin
    return found


def read_bvh(path: Path) -> Bvh:
    """Read a BVH file. Raises `FormatError`."""
    lines = list(text_lines(path))
    start = next((at for at, (_, text) in enumerate(lines) if text.upper() == "MOTION"), len(lines))
    words = " ".join(text for _, text in lines[:start]).replace("{", " { ").replace("}", " } ").split()
    try:
        names, parents, offsets, channels = _hierarchy(iter(words))
    except (ValueError, IndexError, StopIteration) as error:
        raise FormatError(f"{path}: its hierarchy can't be read ({error}); is it a complete BVH file?") from None
    header = " ".join(text for _, text in lines[start + 1 : start + 3])
    match = re.fullmatch(r"frames:\s*(\d{1,9})\s+frame time:\s*(\S+)", header, re.IGNORECASE)
    width = sum(map(len, channels))
    if match is None or not width:
        raise FormatError(f"{path}: has no channels, or no lines MOTION, Frames: and Frame Time: after its hierarchy")
    frame_s = float(numbers(path, lines[start + 2][0], [match[2]], 1, "Frame Time")[0])
    if not 1e-4 < frame_s <= 10:
        raise FormatError(f"{path}: Frame Time {frame_s} must be above 0.0001 and up to 10 seconds")
    rows = [numbers(path, line, text.split(), width, "motion") for line, text in lines[start + 3 :]]
    if not rows or len(rows) != int(match[1]):
        raise FormatError(f"{path}: has {len(rows)} frames of {match[1]}; is it complete?")
    motion = np.stack(rows).astype(np.float32)
    if not (np.isfinite(motion).all() and np.isfinite(offsets).all()):
        raise FormatError(f"{path}: contains NaN or an infinite number; repair or remove the frame")
    return Bvh(tuple(names), tuple(parents), np.array(offsets), tuple(map(tuple, channels)), motion, frame_s)


def _hierarchy(words: Iterator[str]) -> tuple[list[str], list[int], list[list[float]], list[list[Channel]]]:
    """Return names, parents, offsets and channels of the nodes, parents first."""
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[Channel]] = []
    stack: list[int] = []
    for word in words:
        kind = word.upper()
        if kind in ("ROOT", "JOINT", "END"):
            if kind == "ROOT" and names:
                raise ValueError("a second ROOT: save each person in a separate file")
            name = " ".join(iter(lambda: next(words), "{"))
            names.append(names[stack[-1]] + END if kind == "END" else name)
            parents.append(stack[-1] if stack else -1)
            offsets.append([0.0] * 3)
            channels.append([])
            stack.append(len(names) - 1)
        elif word == "}":
            stack.pop()
        elif kind == "OFFSET":
            offsets[stack[-1]] = [float(next(words)) for _ in range(3)]
        elif kind == "CHANNELS":
            channels[stack[-1]] = [_channel(next(words)) for _ in range(int(next(words)))]
        elif kind != "HIERARCHY":
            raise ValueError(f"{word[:40]!r} is unexpected")
    if stack:
        raise ValueError("it ends early")
    return names, parents, offsets, channels


def _channel(word: str) -> Channel:
    kind = word[1:].lower()
    if kind not in ("position", "rotation"):
        raise ValueError(f"unknown channel {word[:40]!r}")
    return kind, "XYZ".index(word[:1].upper())
