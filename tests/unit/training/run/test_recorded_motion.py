"""Runs on recorded motion: what they learn from by terms, the shares of a batch, and exact resumption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.checkpoint import load as load_checkpoint
from stages.vocabulary import packaged
from stages.weight_terms import ANY_USE, LIMITED_USE
from support.training.captured_people import captured, walking, waving
from support.training.data_folders import put_clips
from support.training.planar_people import person, pose_clips
from support.training.training_examples import motion_clips, stand_in_table, tiny
from training.run.learning.batches import generates, rows_by_source
from training.run.learning.training_run import TrainingError
from training.run.train import Outcome, train
from training.settings.run_config import RecordedConfig, TrainingConfig
from training.sources.motion_clips import MOTION, POSES
from training.sources.recorded import RecordedMotion, open_recorded
from training.sources.terms import DataFolderError

WORDS = packaged("edge")


def put_folder(folder: Path) -> Path:
    """Write a data folder with twelve captured people (open), another one (nc), and 2-D sequences (none stated)."""
    parts = [(action, make(60)) for _ in range(12) for action, make in (("wave", waving), ("walk", walking))]
    people = [f"p{number:02}" for number in range(12) for _ in range(2)]
    put_clips(folder, MOTION, captured(parts, source="many", people=people))
    put_clips(folder, MOTION, captured([("walk", walking(60))], source="one", people=["x"]))
    put_clips(folder, POSES, pose_clips([person(40), person(40)], ["stand", "squat"], source="films"))
    terms = {"many": "open", "one": "nc", "films": "none-stated"}
    listed = [{"id": name, "terms_class": terms[name], "dataset": name.title()} for name in terms]
    (folder / "sources.json").write_text(json.dumps({"sources": listed}))
    return folder


def recorded(folder: Path, **settings: Any) -> RecordedConfig:
    return RecordedConfig.model_validate({"folder": str(folder), "tracks": 0, **settings})


def on_recorded(folder: Path, **changes: Any) -> TrainingConfig:
    section = {"folder": str(folder), "captures": 0.4, "poses": 0.3, "tracks": 0}
    return tiny(
        evaluation={"selection_sequences": 22, "calibration_sequences": 11},
        **{"data": {"recorded": section}, **changes},
    )


def only_open(folder: Path, **changes: Any) -> TrainingConfig:
    section = {"folder": str(folder), "captures": 0.4, "poses": 0.3, "tracks": 0, "terms": ["open"], "also": ["films"]}
    return on_recorded(folder, data={"recorded": section}, **changes)


def trained(config: TrainingConfig, out: Path, data: RecordedMotion | None = None, **options: Any) -> Outcome:
    opened = data or open_recorded(config.data.recorded)
    return train(config, out, motions=motion_clips(), priors=stand_in_table(), recorded=opened, **options)


def test_terms_and_names_choose_the_sources(tmp_path: Path) -> None:
    folder = put_folder(tmp_path)
    assert set(open_recorded(recorded(folder)).facts) == {"many", "one", "films"}
    opened = open_recorded(recorded(folder, terms=["open"], also=["films"]))
    assert [clips.source for clips in opened.captures] == ["many"]
    assert [clips.source for clips in opened.poses] == ["films"]
    assert opened.available == {"captures", "poses"}
    films = {"dataset": "Films", "terms": "none-stated", "any_use": True, "clips": 2}
    assert opened.summary()["sources"]["films"] == films
    undecided = open_recorded(recorded(folder)).summary()["sources"]
    assert {name: facts["any_use"] for name, facts in undecided.items()} == {"many": True, "one": False, "films": False}
    without = open_recorded(recorded(folder, without=["many", "one"]))
    assert without.available == {"poses"} and without.fingerprint != opened.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"also": ["neither"]}, r"sources that it lacks: neither; it has films, many, one"),
        ({"terms": ["research"]}, r"nothing to learn from: no source with the terms research"),
    ],
)
def test_a_folder_without_what_is_asked_for_is_an_error(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match=message):
        open_recorded(recorded(put_folder(tmp_path), **settings))


def test_a_batch_has_sequences_of_each_source_by_its_share(tmp_path: Path) -> None:
    config = on_recorded(tmp_path)
    assert rows_by_source(config) == {"generated": 2, "captures": 2, "poses": 2}
    assert rows_by_source(config, available=["captures"]) == {"generated": 4, "captures": 2}
    only = tiny(data={"recorded": {"folder": "x", "captures": 1, "poses": 0, "tracks": 0}})
    assert rows_by_source(only) == {"captures": 6}
    assert rows_by_source(tiny()) == {"generated": 6}
    assert not generates(only) and generates(only, available=["poses"])


def test_a_run_learns_from_recorded_motion_and_its_checkpoint_names_the_sources_and_terms(tmp_path: Path) -> None:
    config = on_recorded(put_folder(tmp_path / "data"))
    metrics = trained(config, tmp_path / "a.safetensors").checkpoint.metrics
    assert metrics["recorded"]["folder"] == "data"
    assert {name: facts["terms"] for name, facts in metrics["recorded"]["sources"].items()} == {
        "many": "open",
        "one": "nc",
        "films": "none-stated",
    }
    people = metrics["held_out_people"]
    assert set(people["kinds"]) == {"captures"}, "too few people are in the 2-D sequences to hold any out"
    assert set(people["kinds"]["captures"]["accuracy"]) == {"walk", "wave"}
    assert metrics["config"]["data"]["recorded"]["folder"] == "data"


def test_generated_sequences_select_the_weights_if_no_recorded_person_is_held_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = {"folder": str(put_folder(tmp_path / "data")), "captures": 0.4, "poses": 0, "tracks": 0, "without": ["many"]}
    evaluation = {"every": 2, "selection_sequences": 22, "calibration_sequences": 0}
    config = tiny(data={"recorded": few}, evaluation=evaluation)
    metrics = trained(config, tmp_path / "a.safetensors").checkpoint.metrics
    assert "held_out_people" not in metrics and set(metrics["recorded"]["sources"]) == {"one"}
    assert "a source needs at least ten people); generated sequences select the weights instead" in caplog.text
    alone = tiny(data={"recorded": few | {"captures": 1}}, evaluation=evaluation)
    with pytest.raises(TrainingError, match="no recorded person is held out"):
        trained(alone, tmp_path / "b.safetensors")


def test_weights_trained_from_others_keep_the_limits_of_those_also_when_the_run_resumes(tmp_path: Path) -> None:
    folder = put_folder(tmp_path / "data")
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    limited = trained(on_recorded(folder), first).checkpoint.terms
    assert limited.use == LIMITED_USE and [source.name for source in limited.limiting] == ["films", "one"]
    config = only_open(folder, start=str(first))
    steps = iter(range(100))
    trained(config, second, stop=lambda: next(steps) >= 2)
    first.unlink()
    assert trained(config, second, resume=True).checkpoint.terms == limited
    with pytest.raises(TrainingError, match=r"edge-open is for any use, .* films \(none-stated\), one \(nc\)"):
        trained(only_open(folder, profile="edge-open", start=str(second)), tmp_path / "third.safetensors")


def test_a_run_of_the_open_profile_makes_weights_for_any_use(tmp_path: Path) -> None:
    config = only_open(put_folder(tmp_path / "data"), profile="edge-open")
    trained(config, tmp_path / "open.safetensors")
    after = load_checkpoint(tmp_path / "open.safetensors")
    assert (after.profile, after.vocabulary, after.terms.use) == ("edge-open", WORDS, ANY_USE)
    assert after.terms.learned_from == "generated motion, films (none-stated), many (open)"


def test_a_run_does_not_resume_on_other_recorded_motion(tmp_path: Path) -> None:
    config = on_recorded(put_folder(tmp_path / "data"))
    steps = iter(range(100))
    trained(config, tmp_path / "a.safetensors", stop=lambda: next(steps) >= 3)
    put_clips(tmp_path / "data", MOTION, captured([("walk", walking(50))], source="one", people=["x"]))
    with pytest.raises(TrainingError, match=r"other videos, annotations or motion than"):
        trained(config, tmp_path / "a.safetensors", resume=True)
