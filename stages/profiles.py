"""Loading of a model by the name of a profile or the path of a checkpoint.

`edge`, `edge-open` and `kinetics-tps` are packaged checkpoints (`stages.packaged_checkpoints`). A checkpoint that
contains no detector uses MoveNet.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from stages import checkpoint as checkpoints
from stages.checkpoint import Checkpoint, CheckpointError
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cuda_graphs import GraphedKeypointNetwork, GraphedRegionNetwork
from stages.detection.detections import Detector, DetectorError
from stages.detection.keypoint_batches import KeypointNetwork
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, Thunder, slot_format
from stages.detection.nanodet.nanodet import NanoDet, ObjectFinder
from stages.detection.second_look import Search, SecondLook
from stages.device.precision import disable_tf32, vision_precision
from stages.looks import REGION_SIDE
from stages.packaged_checkpoints import PAPER, checkpoint_file
from stages.pipeline import WARM_SOURCE, Pipeline
from stages.runtimes.building import candidates, check_installed
from stages.runtimes.choosing import choose_runtime, use_runtime
from stages.runtimes.machine import runtime_threads, torch_threads
from stages.runtimes.network import Candidate, RunnableNetwork, RuntimeUnavailableError
from stages.runtimes.runnable_networks import RunnableMoveNet, RunnableNanoDet, RunnableThunder
from stages.settings import DetectionMode, ModelSettings, PipelineSettings, Runtime
from stages.third_party.weights import WeightsError
from stages.vocabulary import PARTS
from telemetry.observer import Observer

logger = logging.getLogger(__name__)


Size = tuple[int, int]
"""Width and height."""
ALONE = ModelSettings(runtime="torch", objects_s=None, second_looks=0, search_s=None)
"""The detector computes in torch, and its other networks are not loaded."""


def load_profile(
    settings: PipelineSettings,
    observer: Observer | None = None,
    detector_sizes: Sequence[Size | None] = (None,),
    kind: type[Pipeline] = Pipeline,
) -> Pipeline:
    """Load the model that `settings` choose. Call it in the thread that will run the model.

    `model.runtime: auto` chooses for the `detector_sizes` of cameras, None for the default.
    `kind`: the class of the model.

    Raises `WeightsError` (also for a checkpoint that is missing or damaged, or whose detector needs a package that is
    not installed), or `ValueError` for a device or a precision that is not available, each saying what to do.
    """
    model = settings.model
    device = choose_device(model.device)
    disable_tf32()
    torch.set_num_threads(torch_threads(model.threads))
    checkpoint = load_checkpoint(model.profile, device)
    if checkpoint.features is not None:
        checkpoint.features.precision = vision_precision(model.precision, device)
    if model.profile == PAPER:
        logger.warning(
            "profile %s is the paper's system at a fraction of its size, trained on generated videos. For your own "
            "cameras use edge, or a checkpoint trained on similar videos",
            PAPER,
        )
    detector = load_detector(checkpoint, device, model, detector_sizes)
    return kind(detector, checkpoint, settings, device, observer)


def load_model(profile: str, device: str = "auto", threads: int = 0, detection: DetectionMode = "auto") -> Pipeline:
    """Load a profile for offline use: default settings, and frames scaled on the host.

    Raises as `load_profile`.
    """
    model = ModelSettings(profile=profile, device=device, threads=threads, pictures="host", detection=detection)
    return load_profile(PipelineSettings(model=model))


def load_detector(
    checkpoint: Checkpoint,
    device: torch.device | str = "cpu",
    model: ModelSettings = ALONE,
    detector_sizes: Sequence[Size | None] = (None,),
) -> Detector:
    """Return the checkpoint's own detector, or MoveNet if it has none, as the settings say.

    Raises `WeightsError`, or `ValueError` for a precision or a runtime that the device does not support.
    """
    device = torch.device(device)
    dtype = vision_precision(model.precision, device)
    _check_runtime(model.runtime, device, checkpoint.detector is not None)
    if checkpoint.detector is not None:
        graphed = model.cuda_graphs and device.type == "cuda"
        return region_detector(checkpoint.detector, checkpoint.vocabulary.parts, device, dtype, graphed)
    return keypoint_detector(device, model, detector_sizes)


def keypoint_detector(
    device: torch.device | str = "cpu", model: ModelSettings = ALONE, detector_sizes: Sequence[Size | None] = (None,)
) -> KeypointDetector:
    """Return MoveNet, with its other networks for what the settings ask for (docs/detector.md); errors as above."""
    device = torch.device(device)
    dtype = vision_precision(model.precision, device)
    looks_again = model.detection != "full"
    searches = bool(model.search_s) and looks_again
    # On a CPU there are no kernel launches to save.
    movenet = _movenet(device, dtype, model.cuda_graphs and device.type == "cuda")
    thunder = _thunder(device, dtype) if searches or (model.second_looks > 0 and looks_again) else None
    nanodet = _nanodet(device, dtype) if searches or model.objects_s else None
    if model.runtime != "torch" and device.type == "cpu":
        assert isinstance(movenet, MoveNet)
        most = runtime_threads(model.threads)
        formats = [slot_format(WARM_SOURCE, size) for size in detector_sizes]
        sizes = [(REGION_SIDE, REGION_SIDE), *((format.size[1], format.size[0]) for format in formats)]
        chosen = choose_runtime(RunnableMoveNet(movenet), model.runtime, model.precision, sizes, most)
        others = [RunnableThunder(thunder)] if thunder is not None else []
        for other in [*others, *([RunnableNanoDet(nanodet)] if nanodet is not None else [])]:
            _use_same_runtime(other, chosen, most, required=model.runtime != "auto")
    finder = ObjectFinder(nanodet, device) if nanodet is not None and model.objects_s else None
    search = Search(nanodet, device) if nanodet is not None and searches else None
    second_look = SecondLook(thunder, search, device) if thunder is not None else None
    return KeypointDetector(movenet, slot_format, device, finder, second_look)


def region_detector(
    stored: StoredDetector,
    parts: Sequence[str],
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    graphed: bool = False,
) -> Detector:
    """Return a stored detector of people, objects and `parts`, ready to run; parts it lacks are found by MoveNet.

    `graphed` replays it as CUDA graphs, which needs a CUDA device. Raises `WeightsError`, also if mmdet or MoveNet is
    not installed.
    """
    # Imported here, because these modules import torchvision.
    from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
    from stages.detection.paired_detector import PairedDetector
    from stages.detection.region_detector import RegionDetector

    try:
        detector = CascadeRCNN.of(stored, parts).to(device)
        detector.precision = precision
        network = GraphedRegionNetwork(detector) if graphed else detector
        if not detector.classes.parts:
            if tuple(parts) != PARTS:
                raise WeightsError(
                    f"{stored.where}: detects none of the checkpoint's parts {', '.join(parts)}; keypoints give only "
                    f"{', '.join(PARTS)}, in this order"
                )
            return PairedDetector(network, _movenet(device, precision, graphed), device)
        return RegionDetector(network, device)
    except ImportError as error:
        raise WeightsError(f"{stored.where}: {error}") from None
    except (DetectorError, ValueError) as error:
        raise WeightsError(str(error)) from None


def _movenet(device: torch.device | str, precision: torch.dtype, graphed: bool) -> KeypointNetwork:
    movenet = MoveNet.load().to(device)
    movenet.precision = precision
    return GraphedKeypointNetwork(movenet) if graphed else movenet


def _use_same_runtime(network: RunnableNetwork, chosen: Candidate, threads: int, *, required: bool) -> None:
    """Make another of the detector's networks compute as the first one, or in torch if it can't and need not."""
    try:
        use_runtime(network, chosen, threads)
    except RuntimeUnavailableError as error:
        if required:
            raise
        logger.warning("%s; %s computes in torch", error, network.name)


def _thunder(device: torch.device | str, precision: torch.dtype) -> Thunder:
    thunder = Thunder.load().to(device)
    thunder.precision = precision
    return thunder


def _nanodet(device: torch.device | str, precision: torch.dtype) -> NanoDet:
    nanodet = NanoDet.load().to(device)
    nanodet.precision = precision
    return nanodet


def load_checkpoint(profile: str, device: torch.device | str = "cpu") -> Checkpoint:
    """Return the checkpoint of a profile or path. Raises `WeightsError` with advice."""
    try:
        with checkpoint_file(profile) as path:
            return checkpoints.load(path, device)
    except CheckpointError as error:
        raise WeightsError(str(error)) from None


def check_computation(model: ModelSettings, has_detector: bool) -> None:
    """Raise `ValueError` for a device, a precision or a runtime that cannot be used on this machine. Loads nothing.

    `has_detector`: whether the checkpoint has its own detector.
    """
    device = choose_device(model.device)
    vision_precision(model.precision, device)
    if model.runtime not in ("onnxruntime", "openvino"):
        return
    _check_runtime(model.runtime, device, has_detector)
    check_installed(candidates(model.runtime, model.precision)[0].runtime)


def _check_runtime(runtime: Runtime, device: torch.device, has_detector: bool) -> None:
    if runtime not in ("onnxruntime", "openvino"):
        return
    if device.type != "cpu":
        raise ValueError(f"model.runtime: {runtime} computes on the CPU; set model.device to cpu, or use torch")
    if has_detector:
        raise ValueError(
            f"model.runtime: {runtime} computes MoveNet only, and the checkpoint has its own detector; use torch"
        )


def choose_device(name: str) -> torch.device:
    """Return a device by name; `auto` is CUDA if available. Raises `ValueError` for a device that cannot be used."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"model.device: {name!r} is not auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"model.device: {name!r} is not auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(f"model.device: no such CUDA device {name!r}; use auto or cpu")
    return device
