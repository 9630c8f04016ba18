"""Simple people for tests of examples: analysed clips of an action, and a checkpoint with the packaged actions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from stages.checkpoint import Checkpoint
from stages.detection.part_boxes import part_boxes
from stages.heads.network import ActionNetwork
from stages.vocabulary import packaged
from support.training.data_folders import SIZE, one_person, seen_people, watched_video
from support.training.training_examples import stand_in_priors, started, tiny
from training.annotated_videos.sightings import Sightings
from training.sources.examples.example_clips import SOURCE, ExampleClips, with_roles
from training.sources.watched_videos import WatchedVideo

_STANDING = np.array(
    # nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles: shares of the box
    [[.5, .06], [.55, .04], [.45, .04], [.6, .05], [.4, .05], [.7, .2], [.3, .2], [.85, .35], [.15, .35],
     [.9, .5], [.1, .5], [.6, .52], [.4, .52], [.6, .75], [.4, .75], [.6, .97], [.4, .97]]
)  # fmt: skip


def flapping(seed: int, frames: int = 100, turns: float = 4.0) -> Sightings:
    """Return a person who stands and moves both wrists from below the hips to above the head, `turns` times."""
    rng = np.random.default_rng(seed)
    seen = seen_people(one_person(frames), seed=seed)
    phase = rng.uniform(0, 2 * np.pi) + np.linspace(0, turns * 2 * np.pi, frames)
    shares = np.repeat(_STANDING[None], frames, 0)
    shares[:, 9:11, 1] = 0.3 - 0.3 * np.sin(phase)[:, None]
    shares[:, 7:9, 1] = 0.3 - 0.12 * np.sin(phase)[:, None]
    shares = shares + rng.normal(0, 0.004, shares.shape)
    points = seen.box[:, None, :2] + shares * (seen.box[:, None, 2:] - seen.box[:, None, :2])
    keypoints = np.concatenate([points, np.full((frames, 17, 1), 0.8)], -1).astype(np.float32)
    parts = part_boxes(keypoints, seen.box, SIZE)
    return Sightings(
        track=seen.track,
        frame=seen.frame,
        time_us=seen.time_us,
        box=seen.box,
        score=seen.score,
        part_boxes=parts.boxes,
        part_scores=parts.scores,
        present=parts.present,
        step=seen.step,
        keypoints=keypoints[seen.step],
        object_box=seen.object_box,
    )


def watched_examples(action: str, count: int) -> list[WatchedVideo]:
    """Return analysed clips of an action: a person moves both arms up and down from the first frame to the last."""
    return [
        watched_video(SOURCE, f"{action}/{number:02}", (0, 100, action), seen=flapping(number))
        for number in range(count)
    ]


def example_clips(*videos: WatchedVideo, hold_out: bool = True) -> ExampleClips:
    """Return examples as `open_examples` does."""
    return ExampleClips(Path("my_clips"), tuple(with_roles(videos, hold_out=hold_out)), fingerprint="made")


def starting_checkpoint() -> Checkpoint:
    """Return a small checkpoint with the packaged actions and random weights that suit generated motion."""
    run = started(tiny())
    network = ActionNetwork(run.network.config, packaged("edge"), stand_in_priors())
    network.load_state_dict(run.network.state_dict())
    with torch.no_grad():
        network.action_lstm.temperature.fill_(1.25)
        for weight in (network.action_lstm.state_dict()["scores.weight"], network.frame_scores.weight):
            weight.mul_(6)  # answers that differ clearly between sequences
    return Checkpoint(network.eval().requires_grad_(False), "edge", True, "stand-in")
