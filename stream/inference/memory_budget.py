"""Whether what the configuration allows fits into this machine's memory: said at the start, not found out at night.

Pure, but for the reading of /proc/meminfo in `available_bytes`.
"""

from __future__ import annotations

from pathlib import Path

from stages.settings import ModelSettings
from stream.config import Config
from stream.settings.engine import CameraConfig
from stream.settings.recording import RecordingConfig
from stream.settings.section import ConfigError

USUAL_PICTURE = 1920 * 1080 * 3 // 2
MODEL_AND_LIBRARIES = 700 << 20
"""Resident with the edge profile and one camera, measured, rounded up."""
SHARE = 0.9
"""Of what is available: the rest is for the sockets' buffers and everybody else."""


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that can be used without swapping, or None where the system doesn't tell."""
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def ring_bytes(camera: CameraConfig, planes: bool = False) -> int:
    """What a camera's ring takes with 1080p pictures, or with pictures for the detector if its size is configured and
    slots don't hold the decoder's `planes`."""
    if camera.detector_size is not None and not planes:
        width, height = camera.detector_size
        return camera.ring_slots * width * height * 3
    return camera.ring_slots * USUAL_PICTURE


def packet_bytes(camera: CameraConfig, recording: RecordingConfig) -> int:
    """What may be held of a camera's encoded pictures, to be recorded."""
    chosen = not recording.cameras or camera.id in recording.cameras
    return int(recording.packet_bytes) if recording.directory is not None and chosen else 0


def check(config: Config, available: int | None) -> None:
    """Raise `ConfigError` if rings, history and model can't fit; names the fields that would help."""
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
        f"{config.publish.history_bytes >> 20} for publish.history_bytes{recorded}) and {available >> 20} MiB are "
        "available: lower cameras[].ring_slots or publish.history_bytes, or run fewer cameras here"
    )


def has_room(camera: CameraConfig, before: CameraConfig | None, config: Config, available: int | None) -> bool:
    """Whether what is held of a camera that comes, or changes from `before`, fits into what is available now."""
    planes = _hold_planes(config.model)
    more = ring_bytes(camera, planes)
    more += packet_bytes(camera, config.recording) if before is None else -ring_bytes(before, planes)
    return available is None or more <= available * SHARE


def _hold_planes(model: ModelSettings) -> bool:
    """Whether slots hold the decoder's planes. Rings are the machine's memory, on CUDA page-locked; `auto` is told
    apart once the device is known: not here."""
    return model.pictures == "device" or (model.pictures == "auto" and model.device.startswith("cuda"))
