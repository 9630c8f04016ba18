"""Truth and manifest of a generated data set: written and read, and rejected with a message if invalid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.training.generated_examples import true_person, write_example_manifest, write_true_video
from training.synthetic.videos.manifest import MANIFEST, ManifestError, read_manifest
from training.synthetic.videos.truth import TruthError, read_truth, truth_file


def test_truth_is_read_back_as_written(tmp_path: Path) -> None:
    frames = [[true_person(1), true_person(2, None, (90.0, 20.0))], [], [true_person(2, "stand")]]
    path = write_true_video(tmp_path, "clip", frames)
    assert path == truth_file(tmp_path, "clip")
    truth = read_truth(path)
    assert [list(frame.people) for frame in truth.frames] == frames


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda person: person["keypoints"].pop(), "keypoints"),
        (lambda person: person.update(visible=1.2), "visible"),
        (lambda person: person.update(number=0), "number"),
        (lambda person: person.update(box=[9, 0, 1, 5]), r"people\[0\].box.*not a box"),
        (lambda person: person.pop("states"), "states"),
        (lambda person: person.update(mood="fine"), "mood"),
    ],
)
def test_invalid_truth_is_rejected_by_file_and_field(tmp_path: Path, change, words: str) -> None:
    path = write_true_video(tmp_path, "clip", [[true_person()]])
    content = json.loads(path.read_text())
    change(content["frames"][0]["people"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(TruthError, match=words) as raised:
        read_truth(path)
    assert str(path) in str(raised.value)


def test_two_people_with_the_same_number_are_rejected(tmp_path: Path) -> None:
    path = write_true_video(tmp_path, "clip", [[], [true_person(3), true_person(3)]])
    with pytest.raises(TruthError, match=r"frames\[1\].*same number"):
        read_truth(path)


def test_a_truth_file_that_is_missing_or_not_json_is_rejected_with_a_message(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match="can't be read"):
        read_truth(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"frames": [')
    with pytest.raises(TruthError, match="not a valid truth file"):
        read_truth(tmp_path / "bad.json")


def test_a_manifest_is_read_back_as_written(tmp_path: Path) -> None:
    written = write_example_manifest(tmp_path, {"a": "wave", "b": "walk"})
    assert read_manifest(tmp_path) == written
    assert json.loads((tmp_path / MANIFEST).read_text())["version"] == 1


def test_an_invalid_manifest_is_rejected_with_a_message(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not a generated data set"):
        read_manifest(tmp_path)
    written = write_example_manifest(tmp_path, {"a": "wave"})
    content = json.loads((tmp_path / MANIFEST).read_text())
    assert written.version == 1
    (tmp_path / MANIFEST).write_text(json.dumps({**content, "version": 2}))
    with pytest.raises(ManifestError, match="version"):
        read_manifest(tmp_path)
