"""Loading of the configured model, once, in the inference thread."""

from __future__ import annotations

from stages.free_model import FreeModel
from stages.settings import ModelSettings, PipelineSettings
from stages.third_party import weights
from stages.third_party.weight_catalogue import MOVENET, NANODET, THUNDER
from stages.types import Model
from stream.config import Config
from stream.rules_file import stored_names
from stream.settings.config_error import ConfigError
from telemetry.observer import Observer


def check_model_files(model: ModelSettings) -> None:
    """Raise `WeightsError` if the checkpoint, or weights that its detector needs, are missing or damaged.

    Reads no tensors, so that this is known before the engine opens sockets. Blocks.
    """
    if model.profile == "free":
        return
    if stored_names(model.profile).objects is None:  # the checkpoint has its own detector
        return
    searches = bool(model.search_s) and model.detection != "full"
    looks = model.second_looks > 0 and model.detection != "full"
    needed = {MOVENET.name: True, THUNDER.name: looks or searches, NANODET.name: bool(model.objects_s) or searches}
    for name in (name for name, is_needed in needed.items() if is_needed):
        weights.locate(name)


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
