"""Loading of the configured model, once, in the inference thread."""

from __future__ import annotations

from stages.free_model import FreeModel
from stages.settings import PipelineSettings
from stages.types import Model
from stream.config import Config
from stream.settings.config_error import ConfigError
from telemetry.observer import Observer


def load_model(config: Config, observer: Observer) -> Model:
    """Load the configured profile onto the configured device; `free` is the empty model.

    Raises `WeightsError` if weights are missing, with what to do, and `ConfigError` if the device is unusable.
    """
    if config.model.profile == "free":
        return FreeModel()
    import torch  # only when needed

    from stages.profiles import load_profile

    try:
        settings = PipelineSettings(model=config.model, window=config.window, tracking=config.tracking)
        sizes = [camera.detector_size for camera in config.cameras]
        return load_profile(settings, observer, sizes or [None])
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the model's weights and the states of {config.model.state_slots} people don't fit into the device's "
            f"memory: lower model.state_slots, end other programs on the device, or set model.device ({error})"
        ) from None
