"""BVH files: the hierarchy, the channels' values, and the joints' positions from them (forward kinematics)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.reading import FormatError, check_duration, count, numbers, text_lines

Array = NDArray[np.float64]

END = "_end"
"""An `End Site` is named as its parent with this ending."""
_AXES = {"X": 0, "Y": 1, "Z": 2}
_MOST_JOINTS = 1000
_MOST_FRAMES = 10_000_000
_MOST_VALUES = 200_000_000
"""Values of one file's channels: they are held in memory, with four bytes each."""
_CHUNK = 2048
"""Frames whose rotations are held at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Bvh:
    """A BVH file with J nodes (joints and end sites) over T frames.

    `names` [J]; `parents` [J], −1 for the root, parents come first; `offsets` float64 [J, 3]; `channels` [J]: pairs of
    ("position" or "rotation", axis 0 to 2) in the order of the file; `motion` float32 [T, channels of all nodes];
    `frame_s`: seconds between frames.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    channels: tuple[tuple[tuple[str, int], ...], ...]
    motion: NDArray[np.float32]
    frame_s: float

    def positions(self, nodes: Sequence[int]) -> NDArray[np.float32]:
        """Return the positions [T, len(nodes), 3] of these nodes, in the file's unit and axes."""
        found = np.empty((len(self.motion), len(nodes), 3), np.float32)
        needed = self._ancestors(nodes)
        deltas = self._deltas()
        for first in range(0, len(self.motion), _CHUNK):
            rows = slice(first, first + _CHUNK)
            found[rows] = self._chunk(self.motion[rows].astype(np.float64), nodes, needed, deltas)
        return found

    def _ancestors(self, nodes: Sequence[int]) -> set[int]:
        needed: set[int] = set()
        for node in nodes:
            while node >= 0 and node not in needed:
                needed.add(node)
                node = self.parents[node]
        return needed

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
    reader = _Reader(path)
    reader.hierarchy()
    return reader.motion()


class _Reader:
    """Reads the file word by word up to MOTION, then line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = text_lines(path)
        self.line = 0
        self.words: list[str] = []
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[Array] = []
        self.channels: list[tuple[tuple[str, int], ...]] = []

    def error(self, message: str) -> FormatError:
        return FormatError(f"{self.path}, line {self.line}: {message}")

    def word(self) -> str:
        while not self.words:
            number, text = next(self.lines, (0, ""))
            if not number:
                raise FormatError(f"{self.path}: ends before MOTION; is it complete?")
            self.line = number
            self.words = text.replace("{", " { ").replace("}", " } ").split()[::-1]
        return self.words.pop()

    def expect(self, wanted: str) -> None:
        found = self.word()
        if found.upper() != wanted:
            raise self.error(f"expected {wanted}, found {found[:40]!r}")

    def values(self, number: int, what: str) -> Array:
        found = numbers(self.path, self.line, [self.word() for _ in range(number)], what)
        if not (np.abs(found) < 1e7).all():
            raise self.error(f"{what}: contains NaN or a number of 10 million or more")
        return found

    def hierarchy(self) -> None:
        self.expect("HIERARCHY")
        self.expect("ROOT")
        self.open(self.name(), -1)
        stack = [0]
        while stack:
            kind = self.word()
            if kind == "}":
                stack.pop()
            elif kind.upper() == "OFFSET":
                self.offsets[stack[-1]] = self.values(3, "OFFSET")
            elif kind.upper() == "CHANNELS":
                self.channels[stack[-1]] = self.channel_list()
            elif kind.upper() == "JOINT":
                stack.append(self.open(self.name(), stack[-1]))
            elif kind.upper() == "END":
                self.expect("SITE")
                self.expect("{")
                stack.append(self.open(self.names[stack[-1]] + END, stack[-1]))
            else:
                raise self.error(f"expected OFFSET, CHANNELS, JOINT, End Site or }}, found {kind[:40]!r}")
        if self.word().upper() != "MOTION":
            raise self.error("expected MOTION after the first ROOT; save each person in a separate file")

    def name(self) -> str:
        words: list[str] = []
        while (word := self.word()) != "{":
            words.append(word)
            if len(words) > 8:
                raise self.error("a joint's name must be followed by {")
        if not words:
            raise self.error("a joint has no name")
        return " ".join(words)

    def open(self, name: str, parent: int) -> int:
        if len(self.names) >= _MOST_JOINTS:
            raise self.error(f"holds more than {_MOST_JOINTS} joints")
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append(np.zeros(3))
        self.channels.append(())
        return len(self.names) - 1

    def channel_list(self) -> tuple[tuple[str, int], ...]:
        number = count(self.path, self.line, self.word(), "the number of CHANNELS", 6)
        found: list[tuple[str, int]] = []
        for _ in range(number):
            word = self.word()
            axis, kind = word[:1].upper(), word[1:].lower()
            if axis not in _AXES or kind not in ("position", "rotation") or (kind, _AXES[axis]) in found:
                raise self.error(f"unknown or repeated channel {word[:40]!r}")
            found.append((kind, _AXES[axis]))
        return tuple(found)

    def motion(self) -> Bvh:
        self.expect("FRAMES:")
        frames = count(self.path, self.line, self.word(), "Frames", _MOST_FRAMES)
        self.expect("FRAME")
        self.expect("TIME:")
        frame_s = float(self.values(1, "Frame Time")[0])
        if frames < 1:
            raise self.error("Frames is 0: the file holds no motion")
        if not 1e-4 < frame_s <= 10:
            raise self.error(f"Frame Time {frame_s} must be above 0.0001 and up to 10 seconds")
        check_duration(self.path, frames * frame_s)
        if self.words:
            raise self.error(f"unexpected {self.words[-1][:40]!r} after Frame Time")
        width = sum(len(channels) for channels in self.channels)
        if not width:
            raise self.error("no joint has CHANNELS")
        if frames * width > _MOST_VALUES:
            raise self.error(f"{frames} frames of {width} channels are more than {_MOST_VALUES} values. Split the file")
        rows: list[NDArray[np.float32]] = []
        for line, text in self.lines:
            self.line = line
            values = numbers(self.path, self.line, text.split(), "motion")
            if len(values) != width:
                raise self.error(f"has {len(values)} values; the hierarchy has {width} channels")
            if not (np.abs(values) < 1e7).all():
                raise self.error("contains NaN or a number of 10 million or more; repair or remove the frame")
            if len(rows) == frames:
                raise self.error(f"holds more than the {frames} frames announced")
            rows.append(values.astype(np.float32))
        if len(rows) < frames:
            raise FormatError(f"{self.path}: ends after {len(rows)} of {frames} frames; is it complete?")
        return Bvh(
            tuple(self.names),
            tuple(self.parents),
            np.stack(self.offsets),
            tuple(self.channels),
            np.stack(rows),
            frame_s,
        )
