"""Whether the largest batch that the configuration allows fits onto the model's device: tried at the start.

What a network needs while it works can't be told from its weights, so a blank batch is shown to it. That also prepares
the device for pictures of these sizes. A CPU's memory is the machine's: `memory_budget` looks at that.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from stages.device.halving import Halving, TooLargeError
from stages.types import DeviceMemory
from stream.config import Config
from stream.settings.section import ConfigError
from telemetry.catalogue import MEMORY_KINDS
from telemetry.observer import Observer

USUAL_SOURCE = (1920, 1080)

Size = tuple[int, int]


@runtime_checkable
class RehearsingModel(Protocol):
    """A model that may run on a device with memory of its own."""

    def device_memory(self) -> DeviceMemory | None:
        """What it takes there, and what is left; None where the memory is the machine's."""
        ...

    def rehearse(self, frames: int, source_size: Size, detector_size: Size | None) -> None:
        """Detect in so many blank pictures. Raises `TooLargeError` if they don't fit."""
        ...


def rehearse(model: object, config: Config, at_once: Halving, observer: Observer) -> None:
    """Try the largest batch of each size of picture that is configured; for the inference thread.

    If it doesn't fit, `at_once` has found how many frames do, and warned of it. Raises `ConfigError` if not even one
    does, with what takes the memory and which settings would help.
    """
    memory = model.device_memory() if isinstance(model, RehearsingModel) else None
    if memory is None or not isinstance(model, RehearsingModel):
        return
    for wanted in {camera.detector_size for camera in config.cameras} or {None}:
        source = wanted or USUAL_SOURCE

        def attempt(start: int, stop: int, wanted: Size | None = wanted, source: Size = source) -> None:
            try:
                model.rehearse(stop - start, source, wanted)
            except TooLargeError:
                if stop - start > 1:
                    raise
                raise _nothing_fits(memory, source) from None

        at_once.run(config.batch.max_frames, attempt)
    after = model.device_memory() or memory
    for kind in MEMORY_KINDS:
        observer.device_memory(kind, getattr(after, kind))


def _nothing_fits(memory: DeviceMemory, picture: Size) -> ConfigError:
    return ConfigError(
        f"not even one picture of {picture[0]}x{picture[1]} fits onto {memory.device}: the weights take "
        f"{memory.weights >> 20} MiB, the states of model.state_slots people {memory.states >> 20}, and "
        f"{memory.free >> 20} of {memory.total >> 20} MiB were free. Lower cameras[].detector_size or "
        "model.state_slots, end other programs on the device, or choose another one by model.device"
    )
