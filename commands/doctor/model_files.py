"""Checks of the configured model: its device, its checkpoint, and the detector's weights."""

from __future__ import annotations

from pathlib import Path

from commands.doctor.finding import Finding, fault, ok, warning
from stages.settings import ModelSettings
from stages.third_party import weights
from stages.third_party.weight_catalogue import KEYPOINT_DETECTOR
from stages.third_party.weights import WeightsError

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def device(model: ModelSettings, driver: Path = NVIDIA_DRIVER) -> Finding:
    """Check whether the device is there, and whether there is a GPU that is not used."""
    import torch

    from stages.device.precision import vision_precision
    from stages.profiles import choose_device

    built_for = f"torch {torch.__version__}, " + (f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA")
    try:
        chosen = choose_device(model.device)
        vision_precision(model.precision, chosen)
    except ValueError as error:
        return fault("device", f"{error} ({built_for})", _how_to_get_cuda(torch.version.cuda is not None, driver))
    if chosen.type == "cuda":
        free, total = torch.cuda.mem_get_info(chosen)
        name = torch.cuda.get_device_name(chosen)
        return ok("device", f"{chosen}: {name}, {free >> 20} of {total >> 20} MiB free ({built_for})")
    if model.device == "auto" and driver.exists():
        return warning(
            "device",
            f"the model runs on the CPU: an NVIDIA driver is installed, but torch sees no GPU ({built_for})",
            _how_to_get_cuda(torch.version.cuda is not None, driver),
        )
    return ok("device", f"the CPU, {torch.get_num_threads()} threads ({built_for})")


def model_weights(model: ModelSettings) -> Finding:
    """Check the SHA-256 of checkpoint and weights: every byte is read."""
    if model.profile == "free":
        return ok("weights", "the profile `free` needs none")
    from stages.profiles import load_checkpoint, load_detector

    try:
        checkpoint = load_checkpoint(model.profile)
        about = f"terms: {checkpoint.terms}"
        if checkpoint.experimental:
            about += f"; experimental actions: {', '.join(checkpoint.experimental)}"
        if checkpoint.detector is None:
            needed = list(KEYPOINT_DETECTOR)
            for name in needed:
                if faults := weights.verify(name):
                    return fault("weights", "; ".join(faults), _how_to_get(name))
            return ok(
                "weights",
                f"profile {model.profile} ({about}), and {', '.join(needed)} with the published SHA-256",
            )
        load_detector(checkpoint)
    except WeightsError as error:
        seen, _, remedy = str(error).partition("\n")
        return fault("weights", seen, remedy or "Set model.profile to edge or to the path of another checkpoint")
    return ok("weights", f"profile {model.profile}, which contains its detector ({about})")


def _how_to_get_cuda(built: bool, driver: Path) -> str:
    if built and not driver.exists():
        return "Install NVIDIA's driver (in a container: its toolkit, and `--gpus`), or set model.device: cpu"
    if built:
        return "Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or set model.device: cpu"
    return "Install a build of torch with CUDA (docs/cuda.md), or set model.device: auto or cpu"


def _how_to_get(asset: str) -> str:
    return (
        f"Run `partstream weights fetch {asset}`, or without a network `partstream weights add {asset} FOLDER` with "
        f"files from another machine. Delete damaged files in {weights.folder(asset)} first"
    )
