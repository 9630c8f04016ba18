"""Check at start-up, by trying, that the largest configured batch fits into the device's memory.

The memory that a network needs while it runs cannot be computed from its weights, so it runs on a blank batch. This
also warms up the device for these picture sizes. On a CPU, `memory_budget` checks the machine's memory instead.
"""

from __future__ import annotations

from stages.device.halving import Halving, TooLargeError
from stages.types import DeviceMemory, Model
from stream.config import Config
from stream.settings.config_error import ConfigError
from telemetry.catalogue import MEMORY_KINDS
from telemetry.observer import Observer

DEFAULT_SOURCE_SIZE = (1920, 1080)

Size = tuple[int, int]


def rehearse(model: Model, config: Config, halving: Halving, observer: Observer) -> None:
    """Try the largest batch of each configured picture size; for the inference thread.

    If it does not fit, `halving` finds how many frames do and logs a warning. Raises `ConfigError` if not even one
    does, with the use of memory and the settings to change.
    """
    memory = model.device_memory()
    if memory is None:
        return
    for wanted in {camera.detector_size for camera in config.cameras} or {None}:
        source = wanted or DEFAULT_SOURCE_SIZE

        def attempt(start: int, stop: int, wanted: Size | None = wanted, source: Size = source) -> None:
            try:
                model.rehearse(stop - start, source, wanted)
            except TooLargeError:
                if stop - start > 1:
                    raise
                raise _nothing_fits(memory, source) from None

        halving.run(config.batch.max_frames, attempt)
    after = model.device_memory() or memory
    for kind in MEMORY_KINDS:
        observer.device_memory(kind, getattr(after, kind))


def _nothing_fits(memory: DeviceMemory, picture: Size) -> ConfigError:
    return ConfigError(
        f"not even one picture of {picture[0]}x{picture[1]} fits onto {memory.device}: the weights take "
        f"{memory.weights >> 20} MiB, the states of model.state_slots people {memory.states >> 20}, and "
        f"{memory.free >> 20} of {memory.total >> 20} MiB were free. Lower cameras[].detector_size or "
        "model.state_slots, end other programs on the device, or set model.device"
    )
