"""Check at start-up that everything the configuration allows fits into this machine's memory."""

from __future__ import annotations

from stages.settings import ModelSettings
from stream.config import Config
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig
from stream.settings.recording import RecordingConfig
from stream.sources.decoding.available_memory import available_bytes, total_bytes
from stream.sources.decoding.picture_memory import SHARE

__all__ = ["available_bytes", "check", "growth", "has_room", "packet_bytes", "ring_bytes", "total_bytes"]

DEFAULT_PICTURE_BYTES = 1920 * 1080 * 3 // 2
MODEL_AND_LIBRARIES = 700 << 20
"""Resident with the edge profile and one camera, measured, rounded up."""


def ring_bytes(camera: CameraConfig, planes: bool = False) -> int:
    """Return the memory of a camera's ring: for 1080p frames, or for pictures of `detector_size` if that is set and
    slots do not hold the decoder's `planes`."""
    if camera.detector_size is not None and not planes:
        width, height = camera.detector_size
        return camera.ring_slots * width * height * 3
    return camera.ring_slots * DEFAULT_PICTURE_BYTES


def packet_bytes(camera: CameraConfig, recording: RecordingConfig) -> int:
    """Return the memory for a camera's encoded video that is held for recording."""
    chosen = not recording.cameras or camera.id in recording.cameras
    return int(recording.packet_bytes) if recording.directory is not None and chosen else 0


def check(config: Config, available: int | None) -> None:
    """Raise `ConfigError` if rings, history and model do not fit; the message names the settings to lower."""
    if available is None:
        return
    planes = _hold_planes(config.model)
    rings = sum(ring_bytes(camera, planes) for camera in config.cameras)
    packets = sum(packet_bytes(camera, config.recording) for camera in config.cameras)
    wanted = rings + config.publish.history_bytes + packets + MODEL_AND_LIBRARIES
    if wanted <= available * SHARE:
        return
    recorded = f", {packets >> 20} for recording.packet_bytes" if packets else ""
    raise ConfigError(
        f"{len(config.cameras)} cameras need about {wanted >> 20} MiB ({rings >> 20} for rings, "
        f"{config.publish.history_bytes >> 20} for publish.history_bytes{recorded}), but {available >> 20} MiB are "
        "available: lower cameras[].ring_slots or publish.history_bytes, or run fewer cameras here"
    )


def has_room(
    camera: CameraConfig, before: CameraConfig | None, config: Config, available: int | None, reserved: int = 0
) -> bool:
    """Whether the memory of a camera that is added, or changed from `before`, fits into what is available.

    `reserved` bytes of that are for other cameras.
    """
    more = growth(camera, before, config)
    return available is None or more <= 0 or more + reserved <= available * SHARE


def growth(camera: CameraConfig, before: CameraConfig | None, config: Config) -> int:
    """Return by how many bytes a camera's memory grows that is added, or changed from `before`."""
    planes = _hold_planes(config.model)
    less = -packet_bytes(camera, config.recording) if before is None else ring_bytes(before, planes)
    return ring_bytes(camera, planes) - less


def _hold_planes(model: ModelSettings) -> bool:
    """Whether slots hold the decoder's planes. With device `auto` this is not known yet; then pictures count."""
    return model.pictures == "device" or (model.pictures == "auto" and model.device.startswith("cuda"))
