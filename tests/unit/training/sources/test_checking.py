"""The check of a data folder counts what is there and finds faults that were put in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.training.data_folders import clip_entry, put_labels
from support.training.motion_files import walked
from training.sources.checking import check_folder, is_data_folder
from training.sources.formats.body import JOINT, JOINTS, exchanged
from training.sources.terms import DataFolderError


def put_motion(folder: Path, name: str, joints: np.ndarray, labels: list[int] | None = None, clips: int = 1) -> Path:
    path = folder / "motion3d" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.array(labels if labels is not None else [0] * len(joints), np.int8)
    np.savez(
        path,
        joints=joints.astype(np.float16),
        joint_names=np.array(JOINTS),
        start=np.linspace(0, len(joints), clips + 1).astype(np.int64),
        frame_label=label,
        frame_labels=np.array(["walk", "run"]),
        fps=np.float32(30),
        text=np.array(["a"] * clips),
        person=np.array([f"p{number}" for number in range(clips)]),
    )
    return path


def put_sources(folder: Path, **terms: str) -> None:
    entries = [{"id": name, "terms_class": value} for name, value in terms.items()]
    folder.mkdir(exist_ok=True)
    (folder / "sources.json").write_text(json.dumps({"sources": entries}))


def test_clips_people_seconds_and_actions_are_counted(tmp_path: Path) -> None:
    put_sources(tmp_path, walks="open", films="nc")
    put_motion(tmp_path, "walks", walked(60), [0] * 20 + [-1] * 10 + [1] * 30, clips=2)
    put_labels(tmp_path, "films", {"a": clip_entry((0, 50, "walk"), (50, 75, None)), "b": clip_entry((5, 30, "run"))})
    for name in "ab":
        (tmp_path / "video" / "films" / f"{name}.mp4").touch()
    report = check_folder(tmp_path)
    walks, films = report.sources
    assert (walks.id, walks.kind, walks.terms) == ("walks", "motion3d", "open")
    assert (walks.tally.clips, walks.tally.people, walks.tally.frames, walks.tally.seconds) == (
        2,
        2,
        60,
        pytest.approx(2),
    )
    assert walks.tally.actions == {"walk": (1, pytest.approx(2 / 3)), "run": (1, pytest.approx(1))}
    assert (films.tally.clips, films.tally.seconds) == (2, 8)
    assert films.tally.actions == {"walk": (1, 2.0), "run": (1, 1.0)}
    assert report.errors == [] and walks.notes == films.notes == []
    assert json.loads(json.dumps(report.to_json()))["sources"][0]["id"] == "walks"


def test_noisy_limbs_exchanged_sides_and_missing_joints_are_noted(tmp_path: Path) -> None:
    put_sources(tmp_path, good="open", noisy="open", mirrored="open", holes="open", empty="open")
    body = walked(60).astype(np.float32)
    put_motion(tmp_path, "good", body)
    rng = np.random.default_rng(1)
    put_motion(tmp_path, "noisy", body + rng.normal(0, 0.06, body.shape))
    put_motion(tmp_path, "mirrored", exchanged(body))
    holes = body.copy()
    holes[:, JOINT["l_hand"]] = np.nan
    holes[:30, JOINT["l_knee"] :] = np.nan
    put_motion(tmp_path, "holes", holes)
    put_motion(tmp_path, "empty", body, [-1] * 60)
    by_name = {source.id: source for source in check_folder(tmp_path).sources}
    assert by_name["good"].notes == [] and by_name["good"].missing == 0 and by_name["good"].toes_forward == (1, 1)
    assert by_name["good"].limb_variation == pytest.approx(0, abs=0.01)
    assert any("limb lengths vary" in note for note in by_name["noisy"].notes)
    assert by_name["mirrored"].toes_forward == (0, 0)
    assert by_name["mirrored"].notes == [
        "toes are in front of the ankles in 0% (left) and 0% (right): left and right may be exchanged"
    ]
    assert by_name["holes"].lacks == ("l_hand",)
    assert by_name["holes"].missing == pytest.approx(30 * 6 / (60 * 19))
    assert any("16% of the points are missing" in note for note in by_name["holes"].notes)
    assert by_name["empty"].notes == ["no frame is labelled"]


def test_faults_of_the_folder_are_errors(tmp_path: Path) -> None:
    put_sources(tmp_path, gone="open", broken="open", films="open")
    put_motion(tmp_path, "unlisted", walked(20))
    put_motion(tmp_path, "broken", walked(20)).write_bytes(b"no zip")
    put_labels(tmp_path, "films", {"a": clip_entry()})
    (tmp_path / "video" / "bare").mkdir()
    errors = "\n".join(check_folder(tmp_path).errors)
    for words in (
        "unlisted.npz: has no entry in sources.json",
        "broken.npz: can't be read",
        "clip 'a': no video file",
        "bare: has no labels.json",
        "sources.json names gone, which has no file",
    ):
        assert words in errors
    assert len([source.id for source in check_folder(tmp_path).sources]) == 1


def test_a_data_folder_is_told_from_a_data_set_in_the_other_layout(tmp_path: Path) -> None:
    assert not is_data_folder(tmp_path) and not is_data_folder(tmp_path / "none")
    (tmp_path / "motion3d").mkdir()
    assert is_data_folder(tmp_path)
    with pytest.raises(DataFolderError, match=r"sources\.json"):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"sources": [{"id": "a", "terms_class": "nc"}, {"id": "a", "terms_class": "open"}]}',
            "several entries for a",
        ),
        ('{"sources": [{"id": "a\\n", "terms_class": "open"}]}', "matching regex"),
        ('{"sources": ' + "[" * 100_000, "sources.json"),
    ],
)
def test_terms_that_are_ambiguous_are_an_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sources.json").write_text(content)
    with pytest.raises(DataFolderError, match=message):
        check_folder(tmp_path)
