"""Which model the configuration asks for. Loaded once, in the inference thread; lives as long as the engine."""

from __future__ import annotations

from stages.free_model import FreeModel
from stages.settings import PipelineSettings
from stages.types import Model
from stream.config import Config
from stream.settings.section import ConfigError
from telemetry.observer import Observer


def load_model(config: Config, observer: Observer) -> Model:
    """The configured profile on the configured device; `free` is the model that costs nothing and sees nobody.

    Raises `WeightsError` saying what to fetch or put where, `ConfigError` for a device that isn't there.
    """
    if config.model.profile == "free":
        return FreeModel()
    import torch  # not before it is needed

    from stages.profiles import load_profile

    try:
        settings = PipelineSettings(model=config.model, window=config.window, tracking=config.tracking)
        return load_profile(settings, observer)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the model's weights and the states of {config.model.state_slots} people don't fit onto the device: lower "
            f"model.state_slots, end other programs on it, or choose another one by model.device ({error})"
        ) from None
