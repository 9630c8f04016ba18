"""Runs that leave actions of the profile out (`data.without_actions`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.vocabulary import packaged
from support.training.training_examples import motion_clips, stand_in_table, tiny
from training.run.clip_run import learned_vocabulary
from training.run.learning.batches import Batches
from training.run.learning.training_run import choose_device
from training.run.train import train

LEFT_OUT = ["clap", "kick"]


def test_actions_that_are_left_out_are_no_target_and_their_steps_are_unknown() -> None:
    config = tiny(data={"without_actions": LEFT_OUT, "batch": 48})
    vocabulary = learned_vocabulary(config)
    assert vocabulary.actions == tuple(name for name in packaged("edge").actions if name not in LEFT_OUT)
    batch = Batches(config, motion_clips(), vocabulary, (), choose_device(config)).fresh()
    last = batch.action[np.arange(48), batch.last]
    assert batch.action.max() < len(vocabulary.actions) and (last >= 0).any()


def test_a_checkpoint_lacks_the_actions_that_are_left_out_and_is_evaluated_on_the_others(tmp_path: Path) -> None:
    config = tiny(steps=1, data={"without_actions": LEFT_OUT}, evaluation={"sequences": 22, "every": 1})
    table = stand_in_table(learned_vocabulary(config))
    made = train(config, tmp_path / "base.safetensors", motions=motion_clips(), priors=table).checkpoint
    assert not set(LEFT_OUT) & set(made.vocabulary.actions)
    assert set() < set(made.metrics["held_out"]["accuracy"]) <= set(made.vocabulary.actions)
