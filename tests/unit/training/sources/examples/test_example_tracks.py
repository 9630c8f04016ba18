"""Sequences of example clips: how they are varied, and exact resumption."""

from __future__ import annotations

import numpy as np

from stages.vocabulary import packaged
from support.training.example_people import watched_examples
from training.run.clip_run import grown
from training.sequences import Source
from training.sources.tracks import LARGEST_NOISE, STRETCH, ExampleTracks, varied
from training.synthetic.sequences.keypoint_noise import BIAS, JITTER

WORDS = grown(packaged("edge"), ["flap"])


def source(seed: int = 1) -> Source:
    return ExampleTracks(watched_examples("flap", 3), WORDS, seed)


def test_a_sequence_ends_with_the_new_action_and_has_no_known_part_states() -> None:
    batch = source().batch(20, 12)
    last = batch.action[np.arange(20), batch.last]
    assert (last == len(WORDS.actions) - 1).all() and WORDS.actions[-1] == "flap"
    assert not batch.states_known.any() and not batch.relevance_known.any()


def test_speed_width_and_noise_vary_within_their_limits() -> None:
    clip = watched_examples("flap", 1)[0].clip(WORDS)
    rng = np.random.default_rng(3)
    speeds, widths, noises = [], [], []
    height = float(clip.seen.box[0, 3] - clip.seen.box[0, 1])
    for _ in range(200):
        made = varied(clip, rng)
        speeds.append(float(clip.seen.time_us[-1] / made.seen.time_us[-1]))
        width = float(made.seen.box[0, 2] / clip.seen.box[0, 2])
        widths.append(width)
        moved = made.seen.keypoints[..., :2] - clip.seen.keypoints[..., :2] * np.array([width, 1], np.float32)
        noises.append(float(moved[:, 9].std()) / height * 100)
        assert np.array_equal(made.seen.keypoints[..., 2], clip.seen.keypoints[..., 2])
        assert np.array_equal(made.seen.box[:, [1, 3]], clip.seen.box[:, [1, 3]])
    assert min(speeds) > 0.849 and max(speeds) < 1.151 and max(speeds) - min(speeds) > 0.25
    assert min(widths) >= 1 - STRETCH - 1e-6 and max(widths) <= 1 + STRETCH + 1e-6
    # Over 200 sequences the largest noise of a wrist is near its limit, and no further than chance allows.
    limit = LARGEST_NOISE * float(np.hypot(BIAS[9], JITTER[9]))
    assert 0.2 * limit < max(noises) < 2.5 * limit and min(noises) < 0.1
