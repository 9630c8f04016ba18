"""Graphs to export: torch modules with names, shapes, types and meanings of their inputs and outputs.

Axes of variable length have a name instead of a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

FORMAT = "partstream.export/1"

PartName = Literal["detector", "heads", "step"]
PART_NAMES: tuple[PartName, ...] = ("detector", "heads", "step")
"""The parts that can be exported, in the order in which the pipeline runs them."""

PEOPLE = "people"
"""Name of the batch axis of people."""

Sample = tuple[Tensor, ...]
"""One tensor per input of a graph."""


class ExportError(RuntimeError):
    """A part cannot be exported; the message gives the reason and advice."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output. `shape` has lengths and names of variable axes ("height/4" is derived from another)."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str
    unit: str
    dtype: Literal["float32", "uint8", "bool"] = "float32"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "meaning": self.meaning,
            "unit": self.unit,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A module that takes `inputs` in order and returns the tuple `outputs`."""

    name: str
    module: nn.Module
    """In evaluation mode, float32, on the CPU."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    random: Sequence[Sample]
    """Random inputs. The first is traced, so its variable axes must be longer than 1."""
    outside: tuple[str, ...] = ()
    """Sentences for the manifest: what the pipeline does before and after the graph."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Other entries of the manifest."""
    multiples: Mapping[str, int] = field(default_factory=dict[str, int])
    """Variable axes whose length must be a multiple of a number."""
    convolutional: bool = False
    """Whether `onnx_model` can convert the graph, which takes less than a second."""
