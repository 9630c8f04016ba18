"""Export of a checkpoint's parts as ONNX files with manifests, all checked before any is kept."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.checkpoint import Checkpoint, file_sha256
from stages.detection.movenet.movenet import KEYPOINTS, MoveNet
from stages.detection.part_boxes import hand_regions, part_boxes
from stages.export import onnx_file
from stages.export.detector_graph import detector_graph
from stages.export.graph import FORMAT, PART_NAMES, ExportError, Graph, PartName, Sample
from stages.export.network_graphs import HeadsModule, LSTMStepModule, heads_graph, pools_maps, step_graph
from stages.heads.action_lstm import ActionLSTM
from stages.keypoint_features.geometry import sequence_features
from stages.region_features.roi_features import Regions, RoiConfig, person_features

_PERSON_SCORE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SampleVideo:
    """A short video in the detector's slot format."""

    pictures: NDArray[np.uint8]
    """[T, H, W, 3]"""
    content: tuple[int, int]
    """Width and height without padding."""
    times_us: NDArray[np.int64]
    """Media times [T] in µs."""


def real_pictures(video: SampleVideo) -> list[Sample]:
    """Return inputs of the detector: the video's first picture, and a batch of two."""
    pictures = torch.from_numpy(video.pictures)
    return [(pictures[:1],), (pictures[[0, -1]],)]


@torch.no_grad()
def real_people(video: SampleVideo, detector: MoveNet, checkpoint: Checkpoint, names: Sequence[str]) -> list[Sample]:
    """Return inputs of the heads, `names`: the video's best person at each of their steps, as one sample.

    There is no sample if the video shows no people, or if the network's regions are not pooled from feature maps.
    """
    config = checkpoint.network.config
    if config.visual and not pools_maps(config):
        return []
    maps, heads = detector(torch.from_numpy(video.pictures))
    rows = detector.decode(heads, 1).packed[:, 0].numpy()
    seen = np.flatnonzero(rows[:, 4] >= _PERSON_SCORE)
    if not len(seen):
        return []
    boxes, keypoints = rows[seen, :4], rows[seen, 5:].reshape(-1, len(KEYPOINTS), 3)
    parts = part_boxes(keypoints, boxes, video.content)
    geometry = sequence_features(keypoints[None], boxes[None], video.times_us[None, seen], config.joint_score)
    tensors: dict[str, Tensor] = {
        "parts": torch.from_numpy(geometry.parts[0]),
        "context": torch.from_numpy(geometry.context[0]),
        "present": torch.from_numpy(parts.present),
    }
    if config.visual:
        hands, hands_present = hand_regions(keypoints, boxes, video.content)
        pictures = len(video.pictures)
        regions = Regions(
            torch.from_numpy(seen),
            torch.from_numpy(parts.boxes),
            torch.from_numpy(hands),
            torch.from_numpy(hands_present),
            torch.ones(pictures, 2),
            torch.tensor(video.content, dtype=torch.float32).expand(pictures, 2),
            torch.zeros(pictures, 2),
        )
        tensors["part_regions"], tensors["object_regions"], _ = person_features(maps, regions, RoiConfig.of(config))
    return [tuple(tensors[name] for name in names)]


@torch.no_grad()
def real_steps(
    people: Sequence[Sample], heads: HeadsModule, checkpoint: Checkpoint, video: SampleVideo
) -> list[Sample]:
    """Return inputs of the step: one person's steps as rows, each with the state after the step before it."""
    model = checkpoint.network.action_lstm
    samples: list[Sample] = []
    for sample in people:
        action_input = heads(*sample)[3]
        if not isinstance(model, ActionLSTM):
            samples.append((action_input,))
            continue
        step = LSTMStepModule(model).eval()
        dt = torch.full((len(action_input),), float(np.diff(video.times_us).mean()) * 1e-6)
        dt[0] = 0
        state: Sequence[Tensor] = model.blank(1)
        before: list[Sequence[Tensor]] = []
        for row in range(len(action_input)):
            before.append(state)
            _, *state = step(action_input[row : row + 1], dt[row : row + 1], *state)
        states = (torch.cat(rows, 1) for rows in zip(*before, strict=True))
        samples.append((action_input, dt, *states))
    return samples


LIMIT = 1e-5
"""Greatest allowed difference of an output, relative to its greatest value."""


class Difference(NamedTuple):
    """max|a − b| / max|b| of one output over all samples of a kind; infinite if it is not a number."""

    output: str
    kind: str
    value: float


def differences_of(graph: Graph, path: Path, samples: Mapping[str, Sequence[Sample]]) -> list[Difference]:
    """Return the difference of each output in ONNX Runtime for each kind of samples (random, real).

    The reference is torch in float64, because both float32 runtimes round: on pictures of noise, torch's float32
    differs from it by 9e-6 of the greatest value, ONNX Runtime's by 6e-6, and the two from each other by up to 1e-5.

    Raises `ExportError` if the file cannot be run.
    """
    session = _session(graph, path)
    exact = copy.deepcopy(graph.module).double()
    found: list[Difference] = []
    for kind, samples_of_kind in samples.items():
        worst = np.zeros(len(graph.outputs))
        greatest = np.zeros(len(graph.outputs))
        for sample in samples_of_kind:
            outputs = _run(graph, session, sample)
            with torch.no_grad():
                expected = exact(*(tensor.double() if tensor.is_floating_point() else tensor for tensor in sample))
            for index, (a, reference) in enumerate(zip(outputs, expected, strict=True)):
                b = reference.numpy()
                if a.shape != b.shape or a.dtype != np.float32:
                    raise ExportError(
                        f"{graph.name}: {graph.outputs[index].name} is {a.dtype} {a.shape} in ONNX Runtime, "
                        f"float32 {b.shape} in torch; no file was kept"
                    )
                difference = np.abs(a - b).max(initial=0.0)
                worst[index] = np.maximum(worst[index], difference if np.isfinite(difference) else np.inf)
                greatest[index] = max(greatest[index], np.abs(b).max(initial=0.0))
        for port, difference, size in zip(graph.outputs, worst, greatest, strict=True):
            relative = float(difference / size) if size else (0.0 if not difference else np.inf)
            found.append(Difference(port.name, kind, relative))
    return found


def check(graph: Graph, differences: Sequence[Difference]) -> None:
    """Raise `ExportError` with the figures if an output differs by more than `LIMIT`."""
    too_large = [difference for difference in differences if not difference.value <= LIMIT]
    if too_large:
        figures = ", ".join(f"{one.output} {one.value:.1e} ({one.kind} inputs)" for one in too_large)
        raise ExportError(
            f"{graph.name}: ONNX Runtime and torch differ by more than {LIMIT:g} of the greatest value: {figures}; "
            "no file was kept. Try another --opset, or another version of onnxruntime"
        )


def _session(graph: Graph, path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Waiting threads sleep, so that they take no time from others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise ExportError(f"{graph.name}: ONNX Runtime {onnxruntime.__version__} can't load it: {error}") from None


def _run(graph: Graph, session: Any, sample: Sample) -> list[NDArray]:
    feed = {port.name: tensor.numpy() for port, tensor in zip(graph.inputs, sample, strict=True)}
    try:
        return session.run([port.name for port in graph.outputs], feed)
    except Exception as error:
        raise ExportError(f"{graph.name}: ONNX Runtime can't run it: {error}") from None


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """A part's file, its manifest, and the differences of its outputs from torch's."""

    name: PartName
    file: Path
    manifest: Path
    differences: tuple[Difference, ...]


def export(
    checkpoint: Checkpoint,
    detector: MoveNet | None,
    out: Path,
    parts: Sequence[PartName] = PART_NAMES,
    opset: int = onnx_file.DEFAULT_OPSET,
    video: SampleVideo | None = None,
    progress: Callable[[PartName], None] = lambda part: None,
) -> list[ExportedPart]:
    """Write `<part>.onnx` and `<part>.json` for each of `parts` into `out`, replacing existing files.

    `checkpoint` and `detector` must be on the CPU; the detector is needed for its own part, and for real inputs of the
    others. Each file is run in ONNX Runtime on random inputs, and on inputs from `video` if there is one, and compared
    with torch. `progress` is called before each part. Raises `ExportError`; no file is kept then.
    """
    onnx_file.check_installed()
    config = checkpoint.network.config
    heads = heads_graph(checkpoint)
    graphs: dict[PartName, Graph] = {"heads": heads, "step": step_graph(checkpoint)}
    if detector is not None:
        graphs["detector"] = detector_graph(detector, config.visual_strides if pools_maps(config) else ())
    chosen: list[PartName] = [part for part in PART_NAMES if part in parts]
    missing = [part for part in chosen if part not in graphs]
    if missing:
        raise ExportError(f"{missing[0]}: no detector was given")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as scratch:
            real: dict[PartName, list[Sample]] = {}
            if detector is not None and video is not None:
                people = real_people(video, detector, checkpoint, [port.name for port in heads.inputs])
                steps = real_steps(people, heads.module, checkpoint, video)  # pyright: ignore[reportArgumentType]
                real = {"detector": real_pictures(video), "heads": people, "step": steps}
            exported: list[ExportedPart] = []
            for part in chosen:
                progress(part)
                exported.append(_export(part, graphs[part], Path(scratch), opset, checkpoint, real.get(part, [])))
            return [_moved(part, out) for part in exported]
    except OSError as error:
        raise ExportError(f"{out} can't be written: {error.strerror or error}") from None


def _export(
    part: PartName, graph: Graph, folder: Path, opset: int, checkpoint: Checkpoint, real: Sequence[Sample]
) -> ExportedPart:
    file, manifest = folder / f"{part}.onnx", folder / f"{part}.json"
    onnx_file.write(graph, file, opset, {"format": FORMAT, "part": part, "checkpoint": checkpoint.sha256})
    differences = differences_of(graph, file, {"random": graph.random} | ({"real": real} if real else {}))
    check(graph, differences)
    content = _manifest(graph, file, opset, checkpoint, differences)
    manifest.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return ExportedPart(part, file, manifest, tuple(differences))


def _moved(part: ExportedPart, out: Path) -> ExportedPart:
    return ExportedPart(
        part.name,
        part.file.replace(out / part.file.name),
        part.manifest.replace(out / part.manifest.name),
        part.differences,
    )


def _manifest(
    graph: Graph, file: Path, opset: int, checkpoint: Checkpoint, differences: Sequence[Difference]
) -> dict[str, Any]:
    """Return everything that a user of the file needs to know to run it."""
    import onnxruntime

    by_output: dict[str, dict[str, float]] = {}
    for difference in differences:
        by_output.setdefault(difference.output, {})[difference.kind] = float(f"{difference.value:.2g}")
    return {
        "format": FORMAT,
        "part": graph.name,
        "file": {"name": file.name, "sha256": file_sha256(file), "bytes": file.stat().st_size, "opset": opset},
        "checkpoint": {
            "sha256": checkpoint.sha256,
            "profile": checkpoint.profile,
            "trained": checkpoint.trained,
            "terms": {"use": checkpoint.terms.use, "learned_from": checkpoint.terms.learned_from},
        },
        "inputs": [port.to_dict() for port in graph.inputs],
        "outputs": [port.to_dict() for port in graph.outputs],
        "multiples": dict(graph.multiples),
        "outside": list(graph.outside),
        **graph.about,
        "parity": {
            "limit": LIMIT,
            "reference": f"torch {torch.__version__} in float64: max|a - b| / max|b|",
            "runtime": f"onnxruntime {onnxruntime.__version__}, CPU",
            "outputs": by_output,
        },
    }
