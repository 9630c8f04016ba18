"""`partstream export`: files, table, manifests, errors, and the documented example."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner, Result

from run_stream import app
from stages import checkpoint
from stages.checkpoint import Checkpoint
from stages.detection.movenet.movenet import MoveNet
from stages.detection.part_boxes import part_boxes
from stages.export import exporting
from stages.export.graph import ExportError
from stages.keypoint_features.geometry import sequence_features
from stages.profiles import load_checkpoint
from stages.region_features.step_regions import REGION_OF_PART
from stages.runtimes.onnx_runtime import load_session
from stages.third_party import weights
from support.models.seeing_checkpoints import write_seeing_checkpoint
from support.repository import REPOSITORY
from support.training.films import write_film

pytestmark = [
    pytest.mark.timeout(900),  # tracing the heads takes long on a machine that is busy
    pytest.mark.usefixtures("all_runtimes"),
]

PARTS = ("detector", "heads", "step")
HEADS = ["centre", "keypoint_heatmap", "box_scale", "box_offset", "keypoint_regression", "keypoint_offset"]
TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(bool)": "bool"}


def export(*arguments: str, **environment: str) -> Result:
    """Run the command in this process, which has loaded torch and its exporter."""
    return CliRunner().invoke(app, ["export", *arguments], env={"COLUMNS": "160", **environment})


class ShippedExport(NamedTuple):
    """The folder with the files, and what the command printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> ShippedExport:
    """The packaged model, exported."""
    folder = tmp_path_factory.mktemp("shipped") / "onnx"
    done = export("--out", str(folder))
    assert done.exit_code == 0 and not done.stderr, done.stderr
    return ShippedExport(folder, done.stdout)


def manifest(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / f"{part}.json").read_text())


def test_each_part_is_a_file_with_a_manifest_and_a_row_for_each_output_in_the_table(shipped: ShippedExport) -> None:
    wanted = [f"{part}.{kind}" for part in PARTS for kind in ("json", "onnx")]
    assert sorted(path.name for path in shipped.folder.iterdir()) == wanted
    for part in PARTS:
        about = manifest(shipped.folder, part)
        assert about["file"]["bytes"] == (shipped.folder / f"{part}.onnx").stat().st_size
        assert about["file"]["sha256"] == checkpoint.file_sha256(shipped.folder / f"{part}.onnx")
        assert about["checkpoint"]["sha256"] == load_checkpoint("edge").sha256
        assert f"{part}.onnx" in shipped.printed
        for output in about["outputs"]:
            figures = about["parity"]["outputs"][output["name"]]
            assert set(figures) == {"random", "real"} and 0 < max(figures.values()) <= 1e-5
            assert re.search(rf"{output['name']} .*{figures['random']:.1e}.*{figures['real']:.1e}", shipped.printed)


def test_the_shipped_model_needs_no_regions(shipped: ShippedExport) -> None:
    assert [port["name"] for port in manifest(shipped.folder, "heads")["inputs"]] == ["parts", "context", "present"]
    assert [port["name"] for port in manifest(shipped.folder, "detector")["outputs"]] == HEADS


def test_the_manifests_describe_inputs_and_outputs_of_the_files(shipped: ShippedExport) -> None:
    for part in PARTS:
        about, session = manifest(shipped.folder, part), load_session((shipped.folder / f"{part}.onnx").read_bytes(), 1)
        for ports, found in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            assert [(port["name"], port["shape"], port["dtype"]) for port in about[ports]] == [
                (one.name, one.shape, TYPES[one.type]) for one in found
            ]
            assert all(port["meaning"] and port["unit"] for port in about[ports])
        model = onnx.load(shipped.folder / f"{part}.onnx")
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", about["file"]["opset"])]
        assert {entry.key: entry.value for entry in model.metadata_props}["part"] == part
    vocabulary = json.loads(load_checkpoint("edge").vocabulary.to_json())
    assert manifest(shipped.folder, "heads")["vocabulary"] == vocabulary
    assert manifest(shipped.folder, "step")["actions"] == vocabulary["actions"]


def test_the_files_reveal_nothing_of_the_machine_that_made_them(shipped: ShippedExport) -> None:
    for path in shipped.folder.iterdir():
        content = path.read_bytes()
        assert str(REPOSITORY).encode() not in content and b'.py"' not in content and b"site-packages" not in content


def test_the_detectors_maps_are_those_of_the_engine_for_any_batch_and_size(shipped: ShippedExport) -> None:
    session = load_session((shipped.folder / "detector.onnx").read_bytes(), 1)
    engine = MoveNet.load()
    for shape in ((3, 64, 128, 3), (1, 224, 160, 3)):
        pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(7))
        found = dict(zip(HEADS, session.run(HEADS, {"pictures": pictures.numpy()}), strict=True))
        _, heads = engine(pictures)
        network = engine.network
        wanted = {"centre": heads.centre, "keypoint_heatmap": heads.keypoint_heatmap}
        with torch.inference_mode():
            wanted |= {name: getattr(network, name)(heads.features) for name in HEADS[2:]}
        for name, tensor in wanted.items():
            # Both sides are float32 and may each be off by 1e-5 of the greatest value.
            assert np.abs(found[name] - tensor.numpy()).max() <= 2e-5 * np.abs(tensor.numpy()).max()


ONE_THREAD = "import os\nos.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
"""By default threads of ONNX Runtime wait for each other without sleeping, which takes time from other tests."""
SPY = """\
        kept.append((picture, (width, height), box, keypoints, round(frame.time * 1e6)))
"""
KEEP = """
np.savez("followed.npz", **dict(zip(("pictures", "sizes", "boxes", "keypoints", "times"), map(np.stack, zip(*kept)))))
"""


FRAMES = 90
"""Of the video, at 30 frames and ten steps a second: more than a window of 25 steps."""


class Followed(NamedTuple):
    pictures: np.ndarray
    sizes: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    times: np.ndarray
    printed: list[tuple[str, float]]


@pytest.fixture(scope="module")
def followed(shipped: ShippedExport, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """Run the documented example on real footage, with lines added that keep what it computes."""
    folder = tmp_path_factory.mktemp("followed")
    (folder / "onnx").symlink_to(shipped.folder)
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "export.md").read_text(), re.DOTALL)
    found = "        box, keypoints = best_person(picture)\n"
    assert found in example
    with av.open(str(weights.locate("sports2d", "demo.mp4"))) as footage:
        frames = [frame.reformat(768, 432, "yuv420p") for frame in islice(footage.decode(video=0), FRAMES)]
    write_film(folder / "person.mp4", frames, 30)
    (folder / "follow.py").write_text(f"{ONE_THREAD}kept = []\n" + example.replace(found, found + SPY) + KEEP)
    done = subprocess.run(
        [sys.executable, "follow.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = (line.split() for line in done.stdout.splitlines())
    with np.load(folder / "followed.npz") as kept:
        return Followed(**kept, printed=[(label, float(score)) for _, _, label, score in lines])


def test_the_documented_example_finds_the_keypoints_that_the_engine_finds(followed: Followed) -> None:
    engine, same = MoveNet.load(), 0
    for step in range(0, len(followed.pictures), 6):
        _, heads = engine(torch.from_numpy(followed.pictures[step : step + 1]))
        found = engine.decode(heads, 1)
        # The example takes the best centre, the engine the best of centre and keypoints: sometimes another person.
        if np.abs(found.boxes[0, 0].numpy() - followed.boxes[step]).max() < 0.01:
            assert np.abs(found.keypoints[0, 0, :, :2].numpy() - followed.keypoints[step, :, :2]).max() < 0.01
            same += 1
    assert same >= 3


def test_the_documented_example_prints_the_scores_of_torch_at_every_step(followed: Followed) -> None:
    network = load_checkpoint("edge").network
    geometry = sequence_features(followed.keypoints[None], followed.boxes[None], followed.times[None])
    present = part_boxes(followed.keypoints, followed.boxes, tuple(followed.sizes[0])).present
    dt = np.diff(followed.times, prepend=followed.times[0]) / 1e6
    given = (geometry.parts, geometry.context, present[None], dt[None].astype(np.float32))
    with torch.inference_mode():
        logits = network(*(torch.from_numpy(array) for array in given)).action_logits[0]
    scores = torch.softmax(logits, -1).numpy()
    assert len(followed.printed) == len(scores) > 25
    for (label, score), wanted in zip(followed.printed, scores, strict=True):
        assert label == network.vocabulary.actions[wanted.argmax()]
        assert abs(score - wanted.max()) <= 0.00501  # two places are printed


def test_a_checkpoint_that_uses_regions_is_compared_on_regions_of_real_pictures(tmp_path: Path) -> None:
    path = write_seeing_checkpoint(tmp_path / "seeing.safetensors")
    done = export("--profile", str(path), "--out", str(tmp_path / "out"), "--parts", "heads", "--opset", "18")
    assert done.exit_code == 0, done.stderr
    about = manifest(tmp_path / "out", "heads")
    assert [port["name"] for port in about["inputs"]][3:] == ["part_regions", "object_regions"]
    assert about["regions"] == {"of_part": list(REGION_OF_PART), "strides": [8, 16], "bins": 2, "samples": 1}
    assert about["file"]["opset"] == 18 and not about["checkpoint"]["trained"]
    assert all(set(figures) == {"random", "real"} for figures in about["parity"]["outputs"].values())
    assert not (tmp_path / "out" / "detector.onnx").exists()


def test_a_file_whose_outputs_differ_from_torch_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.export import onnx_file

    def write_another(graph: Any, path: Path, *rest: Any) -> None:
        with torch.no_grad():
            graph.module.lstm.scores.weight.mul_(1.001)
            write(graph, path, *rest)
            graph.module.lstm.scores.weight.div_(1.001)

    write = onnx_file.write
    monkeypatch.setattr(onnx_file, "write", write_another)
    (tmp_path / "step.onnx").write_text("an earlier file")
    with pytest.raises(ExportError, match=r"step: ONNX Runtime and torch differ by more than 1e-05.*scores \d\.\de-"):
        exporting.export(load_checkpoint("edge"), None, tmp_path, ["step"])
    assert [path.name for path in tmp_path.iterdir()] == ["step.onnx"]
    assert (tmp_path / "step.onnx").read_text() == "an earlier file"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--parts", "heads,tail"], 2, "unknown: tail; give some of detector, heads, step"),
        (["--parts", ","], 2, "give some of detector, heads, step"),
        (["--opset", "9"], 2, "Invalid value for '--opset'"),
        (["--profile", "nowhere.safetensors"], 3, "there is no such checkpoint"),
    ],
)
def test_a_wrong_argument_is_an_error_and_nothing_is_written(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = export("--out", str(tmp_path / "out"), *arguments)
    assert done.exit_code == code
    assert message in re.sub(r"[\s│]+", " ", done.stderr)
    assert not (tmp_path / "out").exists()


def test_the_papers_detector_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "paper.safetensors"
    loaded = load_checkpoint("edge")
    checkpoint.save(Checkpoint(loaded.network, "kinetics-tps", False, "none"), path)
    done = export("--out", str(tmp_path / "out"), "--profile", str(path))
    assert done.exit_code == 2 and "use --parts heads,step" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    done = export("--out", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "exporting needs onnxscript: install partstream with the extra `export`" in " ".join(done.stderr.split())
