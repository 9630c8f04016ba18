"""Whether the configured model can be had: its device, its checkpoint, and the weights that it sees with."""

from __future__ import annotations

from pathlib import Path

from commands.doctor.finding import Finding, fault, ok, warning
from stages.settings import ModelSettings
from stages.third_party import weights
from stages.third_party.weights import WeightsError

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
KEYPOINTS = "movenet-multipose"
"""What finds people where the checkpoint carries no detector."""


def device(model: ModelSettings, driver: Path = NVIDIA_DRIVER) -> Finding:
    """Whether the device is there, and whether one is that nobody uses."""
    import torch

    from stages.device.precision import seeing_precision
    from stages.profiles import choose_device

    built_for = f"torch {torch.__version__}, " + (f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA")
    try:
        chosen = choose_device(model.device)
        seeing_precision(model.precision, chosen)
    except ValueError as error:
        return fault("device", f"{error} ({built_for})", _how_to_get_cuda(torch.version.cuda is not None, driver))
    if chosen.type == "cuda":
        free, total = torch.cuda.mem_get_info(chosen)
        name = torch.cuda.get_device_name(chosen)
        return ok("device", f"{chosen}: {name}, {free >> 20} of {total >> 20} MiB free ({built_for})")
    if model.device == "auto" and driver.exists():
        return warning(
            "device",
            f"an NVIDIA driver is here, and the model runs on the CPU: torch sees no GPU ({built_for})",
            _how_to_get_cuda(torch.version.cuda is not None, driver),
        )
    return ok("device", f"the CPU, {torch.get_num_threads()} threads ({built_for})")


def model_weights(model: ModelSettings) -> Finding:
    """Whether checkpoint and weights are there and are what they should be: every byte is read."""
    if model.profile == "free":
        return ok("weights", "the profile `free` has none")
    from stages.profiles import load_checkpoint, load_finder

    try:
        checkpoint = load_checkpoint(model.profile)
        if checkpoint.detector is None:
            if faults := weights.verify(KEYPOINTS):
                return fault("weights", "; ".join(faults), _how_to_get(KEYPOINTS))
            return ok("weights", f"profile {model.profile}, and {KEYPOINTS} as it was published")
        load_finder(checkpoint)
    except WeightsError as error:
        seen, _, remedy = str(error).partition("\n")
        return fault("weights", seen, remedy or "Give the path of another checkpoint as model.profile, or use edge")
    return ok("weights", f"profile {model.profile}, with a detector of its own")


def _how_to_get_cuda(built: bool, driver: Path) -> str:
    if built and not driver.exists():
        return "Install NVIDIA's driver, in a container also its toolkit (`--gpus`); or set model.device: cpu"
    if built:
        return "See what `nvidia-smi` and CUDA_VISIBLE_DEVICES say; or set model.device: cpu"
    return "Install a torch that is built for CUDA (docs/cuda.md); or set model.device: auto or cpu"


def _how_to_get(asset: str) -> str:
    return (
        f"Run `partstream weights fetch {asset}`; without a network, `partstream weights add {asset} FOLDER` with the "
        f"files from elsewhere. What is damaged in {weights.folder(asset)}, delete first"
    )
