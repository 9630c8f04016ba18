"""A run that learns from verdicts: its vocabulary, what it learns and keeps, what it never learns, what it reports."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from commands.models.train_console import verdict_notes, verdict_summary
from stages.checkpoint import Checkpoint, save
from stages.checkpoint import load as load_checkpoint
from stages.vocabulary import packaged
from support.training.clip_runs import begun, generated, on_clips, probabilities, trained
from support.training.example_people import starting_checkpoint
from support.training.judged_people import judged_flapping, verdict_clips
from support.training.training_examples import motion_clips, stand_in_table, tiny
from training.run.clip_run import VerdictRun, verdict_run
from training.run.learning.training_run import TrainingError
from training.run.record import learned_before
from training.run.train import train
from training.run.validation.held_out import KnownActions, verdict_figures
from training.sources.terms import DataFolderError
from training.sources.tracks import VerdictTracks
from training.sources.verdicts.verdict_clips import JudgedClip

WORDS = packaged("edge")


@pytest.fixture(scope="module")
def start() -> Checkpoint:
    return starting_checkpoint()


def some(*verdicts: tuple[int, str, str | None]) -> list[JudgedClip]:
    """Return `count` clips of each (count, said, truth). The second, the seventh and the sixteenth are held out."""
    named = [(said, truth) for count, said, truth in verdicts for _ in range(count)]
    return [judged_flapping(number, *one) for number, one in enumerate(named, 1)]


@pytest.fixture(scope="module")
def judged(start: Checkpoint) -> VerdictRun:
    """Six falls that were none, and six that were a new action."""
    return verdict_run(verdict_clips(some((6, "fall", None), (6, "wave", "flap"))), start)


# Vocabulary and configuration


def test_a_new_action_is_one_that_a_verdict_really_names(judged: VerdictRun) -> None:
    assert judged.new == ("flap",)
    assert on_clips(judged).actions.prevalence == {"flap": 2.0}


def test_verdicts_on_actions_that_the_checkpoint_lacks_are_left_out_and_named(start: Checkpoint) -> None:
    clips = some((1, "loiter", "loiter"), (1, "loiter", None), (1, "fall", "Evening Stroll"), (1, "fall", "sit"))
    run = verdict_run(verdict_clips(clips), start)
    assert run.new == () and run.clips.counts() == {"fall": {"really": 1, "wrong": 1}}
    assert run.clips.left_out == (
        "e0000abcd-1: the checkpoint has no action 'loiter'",
        "e0000abcd-2: the checkpoint has no action 'loiter'",
    )
    stroll = "e0000abcd-3: the checkpoint has no action 'Evening Stroll'; counts as wrong about 'fall'"
    assert run.clips.in_part == (stroll,) and run.clips.summary()["in_part"] == 1
    assert verdict_notes(run)[-1] == "2 verdicts on 2 clips, 1 of them in part; left out: 2; damaged files: 0"
    (clip,) = (clip.watched.clip(WORDS) for clip in run.clips.clips if clip.name == "clip-03")
    assert clip.labels.excluded is not None and set(clip.labels.excluded) == {WORDS.actions.index("fall")}
    assert (clip.labels.action == -1).all()


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ([(3, "loiter", None)], r"verdicts: holds no verdict to learn from \(left out: 3; .*has no action 'loiter'"),
        (
            [(3, "fall", None), (1, "sit", None)],
            r"all 4 verdicts to learn from are wrong \(fall: 3 wrong; sit: 1 wrong; left out: 0; damaged files: 0\)",
        ),
        ([(4, "fall", "fall")], r"all 4 verdicts to learn from are right .*Judge others as well that are wrong"),
    ],
)
def test_verdicts_without_use_or_contrast_are_an_error_with_counts(
    verdicts: list[tuple[int, str, str | None]], message: str, start: Checkpoint
) -> None:
    with pytest.raises(DataFolderError, match=message):
        verdict_run(verdict_clips(some(*verdicts), hold_out=False), start)


def test_the_printed_summary_names_actions_of_which_nothing_is_held_out_or_learned(start: Checkpoint) -> None:
    clips = [judged_flapping(1, "fall", None), judged_flapping(2, "sit", "sit"), judged_flapping(3, "walk", "run")]
    assert verdict_notes(verdict_run(verdict_clips(clips), start))[:3] == [
        "fall: 1 wrong to learn from, none held out. Nothing is measured: none of its clips is held out",
        "sit: none to learn from, 1 right held out. Nothing is learned: all of its clips are held out",
        "walk: 1 really to learn from, none held out. Nothing is measured: none of its clips is held out",
    ]


# Sequences


def test_sequences_end_with_labels_and_exclusions_and_show_no_clip_that_is_held_out(judged: VerdictRun) -> None:
    source = VerdictTracks(judged.clips.clips, judged.vocabulary, 1)
    held_out = {clip.name for clip in judged.clips.clips if clip.held_out}
    assert len(held_out) == 2
    names = {source.draw(8).clip.name for _ in range(200)}
    assert names == {f"verdicts/{clip.name}" for clip in judged.clips.clips if not clip.held_out}
    batch = source.batch(40, 8)
    assert batch.excluded is not None
    ends = torch.arange(40), batch.last
    labels, excluded = batch.action[ends], batch.excluded[ends]
    assert set(labels.tolist()) == {-1, len(WORDS.actions)}
    assert set(excluded.tolist()) == {-1, WORDS.actions.index("fall")}
    assert ((labels >= 0) ^ (excluded >= 0)).all()
    assert (batch.excluded[~batch.real] == -1).all()


# Learning


def test_a_wrong_verdict_lowers_only_the_excluded_action(start: Checkpoint, tmp_path: Path) -> None:
    others = VerdictTracks(some((6, "fall", None)), WORDS, 9).batch(24, 8)  # the same people, varied otherwise
    before = probabilities(start.network, others)
    said = int(before[others.real].mean(0).argmax())
    clips = verdict_clips(some((12, WORDS.actions[said], None)), hold_out=False)
    run = VerdictRun(clips, start, WORDS)
    section = {"share": 0.34, "keep_weight": 3, "wrong_weight": 2.0}
    config = on_clips(run, section, steps=60, data={"batch": 9, "reuse": 5, "pool": 10})
    network = trained(run, tmp_path / "mine.safetensors", config).checkpoint.network
    after = probabilities(network, others)
    assert float(after[others.real][:, said].mean()) < 0.5 * float(before[others.real][:, said].mean())
    rest = [action for action in range(len(WORDS.actions)) if action != said]
    odds = [(shares / shares.sum(-1, keepdim=True))[others.real] for shares in (before[..., rest], after[..., rest])]
    assert float(0.5 * (odds[0] - odds[1]).abs().sum(-1).mean()) < 0.15, "mean total variation"
    batch = generated(run, config)
    kept = [probabilities(one, batch)[batch.real] for one in (start.network, network)]
    assert float(0.5 * (kept[0] - kept[1]).abs().sum(-1).mean()) < 0.15, "elsewhere the answers are kept"


def test_the_checkpoint_names_what_it_learned_and_what_was_held_out(judged: VerdictRun, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    trained(judged, path, on_clips(judged, evaluation={"sequences": 24}, log={"every": 1}))
    made = load_checkpoint(path)
    kept = made.metrics["verdicts"]
    assert kept["held_out_clips"] == ["clip-02", "clip-07"] and kept["fingerprint"] == "made"
    assert kept["learned_units"] == [f"door/clip-{number:02}" for number in range(1, 13) if number not in (2, 7)]
    assert kept["learned"] == {"fall": {"wrong": 5}, "wave": {"really": 5}}
    assert kept["held_out"] == {"fall": {"wrong": 1}, "wave": {"really": 1}}
    figures = made.metrics["held_out_verdicts"]
    assert {*figures["actions"]["fall"]} == {"learned", "held_out", "false"}
    assert {*figures["actions"]["wave"]} == {"learned", "held_out", "found", "false"}
    assert {"before", "after"} <= figures.keys()
    assert verdict_summary(figures).row_count == 2
    assert made.network.vocabulary.actions == (*WORDS.actions, "flap") and made.experimental == ("flap",)
    assert "excluded" in path.with_name(path.name + ".log.csv").read_text().splitlines()[0]


def test_what_an_earlier_run_learned_is_kept_and_never_held_out(judged: VerdictRun, tmp_path: Path) -> None:
    clips = some((6, "fall", None), (6, "wave", "flap"))
    before = verdict_clips(clips, learned_before={"door/clip-07", "yard/clip-01"})
    assert [clip.name for clip in before.clips if clip.held_out] == ["clip-02"]
    path = tmp_path / "mine.safetensors"
    trained(VerdictRun(before, judged.start, judged.vocabulary), path, on_clips(judged, evaluation={"sequences": 0}))
    learned = load_checkpoint(path).metrics["verdicts"]["learned_units"]
    assert learned == [*(f"door/clip-{number:02}" for number in range(1, 13) if number != 2), "yard/clip-01"]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_without_verdicts_passes_on_what_its_start_learned(
    resumed: bool, start: Checkpoint, tmp_path: Path
) -> None:
    file, path = tmp_path / "start.safetensors", tmp_path / "mine.safetensors"
    save(dataclasses.replace(start, metrics={"verdicts": {"learned_units": ["door/b", "door/a"]}}), file)
    config, priors, stops = tiny(start=str(file), steps=2), stand_in_table(), iter([False, resumed, True])
    train(config, path, motions=motion_clips(), priors=priors, stop=lambda: next(stops, False))
    if resumed:  # the weights in the state learned them, whatever the file is by now
        save(start, file)
        train(config, path, motions=motion_clips(), priors=priors, resume=True)
    assert load_checkpoint(path).metrics["verdicts"] == {"learned_units": ["door/a", "door/b"]}


def test_a_start_that_does_not_say_what_it_learned_is_refused(start: Checkpoint) -> None:
    old = dataclasses.replace(start, metrics={"verdicts": {"held_out_clips": []}})
    with pytest.raises(TrainingError, match=r"start: old\.safetensors: .*does not say from which"):
        learned_before("old.safetensors", old)


def test_the_figures_are_those_of_an_independent_count(judged: VerdictRun) -> None:
    """The learned network always answers `flap`, in two held-out clips."""
    always = begun(judged, on_clips(judged)).network.eval()
    with torch.no_grad():
        always.action_lstm.get_parameter("scores.bias")[-1] = 100.0
    known = KnownActions(WORDS, motion_clips(), 0, window=8, seed=1)
    found = verdict_figures(judged, known, always, 8)["actions"]
    assert found["wave"]["found"] == [0.0, 1.0], "the start does not know the action"
    assert found["wave"]["false"][1] == found["fall"]["false"][1] == 0.0
