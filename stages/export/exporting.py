"""Export of a checkpoint's parts as ONNX files with manifests, all checked before any is kept."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stages.checkpoint import Checkpoint, file_sha256
from stages.detection.movenet.movenet import MoveNet
from stages.export import onnx_file, parity
from stages.export.detector_graph import detector_graph
from stages.export.graph import FORMAT, PART_NAMES, ExportError, Graph, PartName, Sample
from stages.export.network_graphs import heads_graph, pools_maps, step_graph
from stages.export.parity import Difference
from stages.export.real_inputs import SampleVideo, real_people, real_pictures, real_steps


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
    differences = parity.differences(graph, file, {"random": graph.random} | ({"real": real} if real else {}))
    parity.check(graph, differences)
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
            "limit": parity.LIMIT,
            "reference": f"torch {torch.__version__} in float64: max|a - b| / max|b|",
            "runtime": f"onnxruntime {onnxruntime.__version__}, CPU",
            "outputs": by_output,
        },
    }
