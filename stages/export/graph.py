"""Graphs: what goes into an ONNX file, described well enough to be fed by somebody who has nothing else. Owns nothing.

A graph is a torch module together with names, shapes, types and meanings of its inputs and outputs. Axes that may be of
any length have a name instead of a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

FORMAT = "partstream.export/1"

PartName = Literal["detector", "heads", "step"]
PART_NAMES: tuple[PartName, ...] = ("detector", "heads", "step")
"""What can be exported, in the order in which the pipeline runs it."""

PEOPLE = "people"
"""The axis of the people who are read at once."""

Sample = tuple[Tensor, ...]
"""One tensor for each input of a graph."""


class ExportError(RuntimeError):
    """Something can't be exported; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output: `shape` holds lengths, and names of axes of any length ("height/4": made from another)."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str
    unit: str
    dtype: Literal["float32", "uint8", "bool"] = "float32"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "meaning": self.meaning,
            "unit": self.unit,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A module that takes `inputs` in order and returns the tuple `outputs`, in evaluation mode, on the CPU, float32.

    `random` are made-up inputs to try it on; the first is traced, so that none of its free axes may be 1 long.
    `multiples`: free axes whose length must be a multiple of something. `outside`: what the pipeline does before and
    after the graph, a sentence each. `about`: what else a manifest has to say, by name.
    """

    name: PartName
    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    random: Sequence[Sample]
    outside: tuple[str, ...]
    about: Mapping[str, Any]
    multiples: Mapping[str, int] = field(default_factory=dict[str, int])
