"""The check of a data folder counts what is there and finds faults that were put in."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.training.data_folders import clip_entry, put_labels
from support.training.motion_files import walked
from training.sources import motion_clips
from training.sources.checking import check_folder, is_data_folder, limb_variations
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


def test_limb_variation_is_the_deviation_of_the_length_by_its_mean() -> None:
    body = walked(20).astype(np.float32)
    stretch = np.where(np.arange(20) % 2, 1.1, 0.9)
    hip, knee = JOINT["l_hip"], JOINT["l_knee"]
    body[:, knee] = body[:, hip] + (body[:, knee] - body[:, hip]) * stretch[:, None]
    assert max(limb_variations(body)) == pytest.approx(0.1, rel=1e-2)
    assert min(limb_variations(body)) == pytest.approx(0, abs=1e-5)


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


def test_captures_without_joints_that_a_run_needs_are_an_error(tmp_path: Path) -> None:
    put_sources(tmp_path, mine="open")
    path = put_motion(tmp_path, "mine", walked(20))
    with np.load(path) as data:
        fields = dict(data)
    fields["joint_names"] = np.array([f"joint{number}" for number in range(len(JOINTS))])
    np.savez(path, **fields)
    report = check_folder(tmp_path)
    assert not report.sources and "mine: captures need the joints head, neck" in report.errors[0]


def test_a_data_folder_is_told_from_a_data_set_in_the_other_layout(tmp_path: Path) -> None:
    assert not is_data_folder(tmp_path) and not is_data_folder(tmp_path / "none")
    (tmp_path / "motion3d").mkdir()
    assert is_data_folder(tmp_path)
    with pytest.raises(DataFolderError, match=r"sources\.json"):
        check_folder(tmp_path)


@settings(
    max_examples=examples(50),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_damaged_source_is_an_error_of_the_folder_and_never_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    put_sources(tmp_path, walks="open", films="nc")
    path = put_motion(tmp_path, "walks", walked(12))
    content = np.load(path)
    np.savez_compressed(path, **{name: content[name] for name in content.files})
    labels = put_labels(tmp_path, "films", {"a": clip_entry((0, 50, "walk"))})
    (tmp_path / "video" / "films" / "a.mp4").touch()
    for file in (path, labels):
        damaged = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)) | st.just(len(damaged)))])
    report = check_folder(tmp_path)
    assert len(report.sources) + len(report.errors) >= 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", np.array(["a", "b"])),
        ("start", np.array(5)),
        ("frame_label", np.array([0.5] * 12)),
        ("frame_label", np.array(["walk"] * 12)),
        ("fps", np.array([1.0, 2.0])),
        ("fps", np.array("fast")),
        ("fps", np.array(-5.0)),
        ("joints", np.zeros((12, 20, 3), "U3")),
        ("joints", np.array(3.0)),
        ("joint_names", np.array([["a"]])),
        ("person", np.array(3)),
        ("joints", np.zeros((12, 20, 3), object)),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.dtype),
)
def test_a_field_of_the_wrong_kind_is_an_error(tmp_path: Path, name: str, value: np.ndarray) -> None:
    put_sources(tmp_path, walks="open")
    path = put_motion(tmp_path, "walks", walked(12))
    content = np.load(path)
    np.savez(path, **({field: content[field] for field in content.files} | {name: value}))
    (error,) = check_folder(tmp_path).errors
    assert "walks.npz" in error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"sources": [{"id": "a", "terms_class": "nc"}, {"id": "a", "terms_class": "open"}]}',
            "several entries for a",
        ),
        ('{"sources": [{"id": "a", "terms_class": "nc", "terms_class": "open"}]}', "the field 'terms_class' twice"),
        ('{"sources": [{"id": "a\\n", "terms_class": "open"}]}', "matching regex"),
        ('{"sources": ' + "[" * 100_000, "sources.json"),
        ('{"sources": []' + " " * (17 << 20) + "}", "larger than 16 MiB"),
    ],
)
def test_terms_that_are_ambiguous_are_an_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sources.json").write_text(content)
    with pytest.raises(DataFolderError, match=message):
        check_folder(tmp_path)


def test_pipes_are_no_files_of_a_data_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sources.json")
    with pytest.raises(DataFolderError, match=r"sources\.json: is not a file"):
        check_folder(tmp_path)
    (tmp_path / "sources.json").unlink()
    put_sources(tmp_path, a="open", b="open")
    for path in (tmp_path / "motion3d" / "a.npz", tmp_path / "video" / "b" / "labels.json"):
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
    assert [error.rpartition(": ")[2] for error in check_folder(tmp_path).errors] == [
        "is not a file",
        "has no labels.json",
    ]


def test_an_archive_that_unpacks_to_more_than_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_sources(tmp_path, walks="open")
    put_motion(tmp_path, "walks", walked(60))
    monkeypatch.setattr(motion_clips, "LARGEST_BYTES", 5000)
    assert "unpacks to" in check_folder(tmp_path).errors[0]


def test_fields_that_a_source_does_not_need_are_not_unpacked(tmp_path: Path) -> None:
    put_sources(tmp_path, walks="open")
    with zipfile.ZipFile(put_motion(tmp_path, "walks", walked(60)), "a") as archive:
        archive.writestr("more.npy", b"no array")
    assert not check_folder(tmp_path).errors


@pytest.mark.parametrize("number", [np.inf, -np.inf])
def test_infinite_joints_are_an_error(tmp_path: Path, number: float) -> None:
    put_sources(tmp_path, walks="open")
    joints = walked(60)
    joints[5, 3] = number
    put_motion(tmp_path, "walks", joints)
    assert "joints holds a number that is infinite or above a million" in check_folder(tmp_path).errors[0]


def test_starts_that_overflow_are_an_error(tmp_path: Path) -> None:
    put_sources(tmp_path, walks="open")
    path = put_motion(tmp_path, "walks", walked(60))
    with np.load(path) as data:
        content = dict(data) | {"start": np.array([0, 2**63 - 1, 2**64 - 2, 60], np.uint64)}
    np.savez(path, **{name: value for name, value in content.items() if name not in ("text", "person")})
    assert "start must rise" in check_folder(tmp_path).errors[0]
