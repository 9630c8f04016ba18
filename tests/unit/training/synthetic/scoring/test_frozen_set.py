"""Frozen test sets: freezing a manifest, recognising its set and rejecting all others."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from run_stream import app
from training.synthetic.scoring import frozen_set
from training.synthetic.scoring.frozen_plan import plan_of
from training.synthetic.scoring.frozen_set import (
    CURRENT,
    FrozenSet,
    FrozenSetError,
    differences,
    freeze,
    frozen_sets,
    read_frozen_set,
    require,
    require_this_code,
    write_frozen_set,
)
from training.synthetic.videos.code import code_hash
from training.synthetic.videos.folder import GeneratedFolder, Plan
from training.synthetic.videos.manifest import GeneratedVideo, Manifest, write_manifest

PLAN = Plan("test", 4, 7, ("walk", "run"))
VERSION = int(CURRENT.removeprefix("generated-"))


def manifest(*actions: str) -> Manifest:
    """Return the manifest of `PLAN` with videos of these actions."""
    videos = tuple(
        GeneratedVideo(f"v{at}", action, False, (), 1, "fixed", False, (160, 120), 10.0, 30)
        for at, action in enumerate(actions)
    )
    return msgspec.structs.replace(PLAN.manifest(code_hash(), ()), videos=videos)


def test_a_frozen_set_is_recognised_after_writing_and_reading(tmp_path: Path) -> None:
    made = manifest("walk", "run", "walk", "run")
    path = write_frozen_set(freeze(made, 3), tmp_path)
    back = msgspec.json.decode(path.read_bytes(), type=FrozenSet)
    assert (path.name, back.version, back.seed, back.per_action) == ("generated-3.json", 3, 7, 2)
    again = msgspec.json.decode(msgspec.json.encode(made), type=Manifest)
    assert differences(made, back) == differences(again, back) == []
    require(made, back, tmp_path)
    # It makes the plan that it was frozen from.
    assert plan_of(back) == PLAN


def test_a_frozen_version_is_not_overwritten(tmp_path: Path) -> None:
    frozen = freeze(manifest("walk", "run"), 1)
    write_frozen_set(frozen, tmp_path)
    with pytest.raises(FrozenSetError, match="give the next --version"):
        write_frozen_set(frozen, tmp_path)


def test_all_differences_are_listed_and_a_changed_generator_needs_a_new_version(tmp_path: Path) -> None:
    frozen = msgspec.structs.replace(freeze(manifest("walk", "run"), 2), code="c" * 64)
    other = Manifest(8, "d" * 64, "test", {"people": (1.0,)}, manifest("walk", "walk", "run").videos)
    with pytest.raises(FrozenSetError, match="A changed generator is a new version") as caught:
        require(other, frozen, tmp_path / "set")
    for words in ("cccccccccccc", "dddddddddddd", "seed is 8, not 7", "settings differ", "1, 2 videos per action"):
        assert words in str(caught.value)
    assert "--own-set" in str(caught.value) and str(tmp_path) in str(caught.value)


def test_other_code_can_neither_freeze_nor_make_a_set() -> None:
    made = msgspec.structs.replace(manifest("walk", "run"), code="c" * 64)
    with pytest.raises(FrozenSetError, match=r"cccccccccccc, and this one's is [0-9a-f]{12}\. A changed generator"):
        freeze(made, 1)
    own = freeze(manifest("walk", "run"), 1)
    for settings in ({}, {**own.settings, "crf": "low"}, {**own.settings, "actions": ["swim"]}):
        with pytest.raises((FrozenSetError, ValueError), match=re.compile("settings are not|unknown actions")):
            plan_of(msgspec.structs.replace(own, settings=settings))


def test_the_current_code_makes_the_current_set() -> None:
    frozen = read_frozen_set(CURRENT)
    require_this_code(frozen)
    made = plan_of(frozen).manifest("c" * 64, ())
    earlier = msgspec.structs.replace(frozen, former_codes=("c" * 64,))
    assert not any("code" in difference for difference in differences(made, earlier))


def test_uneven_or_missing_actions_are_not_frozen() -> None:
    with pytest.raises(FrozenSetError, match="from 1 to 2 videos"):
        freeze(manifest("walk", "walk", "run"), 1)
    with pytest.raises(FrozenSetError, match="from 0 to 1 videos"):
        freeze(manifest("walk"), 1)


def test_a_set_with_a_missing_action_is_not_the_frozen_one() -> None:
    frozen = freeze(manifest("walk", "run"), 1)
    assert differences(manifest("walk"), frozen) == ["it has 0, 1 videos per action, not 1"]


def test_packaged_sets_can_be_read_and_an_unknown_name_is_an_error() -> None:
    for name in frozen_sets():
        assert len(read_frozen_set(name).code) == 64
    with pytest.raises(FrozenSetError, match="'generated-0'"):
        read_frozen_set("generated-0")
    assert frozen_sets()[-1] == CURRENT


# -- commands ----------------------------------------------------------------------------------------------------
def generated(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["generated", *map(str, words)])


def test_commands_freeze_a_set_and_make_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_set, "_SHIPPED", tmp_path / "held_out")
    assert "there is: none" in generated("frozen", "--out", tmp_path / "made").stderr
    write_manifest(tmp_path / "set", manifest("walk", "run", "walk", "run"))
    for version in (1, VERSION):
        done = generated("freeze", tmp_path / "set", "--version", version)
        assert done.exit_code == 0 and (tmp_path / "held_out" / f"generated-{version}.json").is_file(), done.output
    done = generated("freeze", tmp_path / "set")
    assert done.exit_code == 2 and "give the next --version" in done.stderr

    made: list[tuple[Plan, int]] = []

    def make(folder: GeneratedFolder, workers: int = 1, *_: object) -> Manifest:
        made.append((folder.plan, workers))
        return manifest("walk", "run", "walk", "run") if len(made) == 1 else manifest("walk")

    monkeypatch.setattr(GeneratedFolder, "make", make)
    done = generated("frozen", "--out", tmp_path / "made", "--workers", 3)
    assert done.exit_code == 0 and f"4 videos of {CURRENT} are in" in done.stdout, done.output
    assert made == [(PLAN, 3)]
    done = generated("frozen", "--out", tmp_path / "made")
    assert done.exit_code == 130 and "3 videos are missing, and the same command makes them" in done.stderr


def test_a_second_ctrl_c_reports_that_complete_videos_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frozen_set(freeze(manifest("walk", "run"), VERSION), tmp_path / "held_out")
    monkeypatch.setattr(frozen_set, "_SHIPPED", tmp_path / "held_out")

    def interrupted_twice(*_: object) -> Manifest:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second signal must stop the command")

    monkeypatch.setattr(GeneratedFolder, "make", interrupted_twice)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # In the background it may be ignored.
    try:
        done = generated("frozen", "--out", tmp_path / "made")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.exit_code == 130
    assert (
        "complete videos are kept, and the same command makes the others" in done.stderr
        and "nothing" not in done.stderr
    )


def test_a_set_of_another_generator_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = msgspec.structs.replace(freeze(manifest("walk", "run"), VERSION), code="c" * 64)
    write_frozen_set(frozen, tmp_path / "held_out")
    monkeypatch.setattr(frozen_set, "_SHIPPED", tmp_path / "held_out")
    done = generated("frozen", "--out", tmp_path / "made")
    assert done.exit_code == 2 and "A changed generator is a new version" in done.stderr
    assert not (tmp_path / "made").exists()


def test_a_training_set_cannot_be_frozen(tmp_path: Path) -> None:
    write_manifest(tmp_path, msgspec.structs.replace(manifest("walk", "run"), split="train"))
    done = generated("freeze", tmp_path)
    assert done.exit_code == 2 and "is a training set" in done.stderr
