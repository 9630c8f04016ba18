"""Division of a data set's videos into those to learn from and those held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from training.kinetics_tps.dataset import Video

Role = Literal["train", "validation", "test"]
"""Use of a video: training; selecting weights and fitting the temperature (validation); the reported figures (test)."""


def roles_of(actions: Mapping[str, str], held_out_share: float) -> dict[str, Role]:
    """Return each video's role, given its class by name.

    About `held_out_share` of each class is held out, chosen by the hash of the video's name, so that every machine
    holds out the same ones. Every second held-out video is for testing. Each class keeps at least one video for
    training.
    """
    ordered = sorted(actions, key=lambda name: (actions[name], hashlib.sha256(name.encode()).digest()))
    roles: dict[str, Role] = {}
    held = 0
    for action in sorted(set(actions.values())):
        mine = [name for name in ordered if actions[name] == action]
        count = min(round(held_out_share * len(mine)), len(mine) - 1)
        for place, name in enumerate(mine):
            if place >= count:
                roles[name] = "train"
                continue
            roles[name] = "test" if held % 2 else "validation"
            held += 1
    return roles


def divided(videos: Sequence[Video], held_out_share: float) -> tuple[list[Video], list[Video]]:
    """Return the videos to learn from and those held out, as `roles_of` chooses them."""
    roles = roles_of({video.name: video.action for video in videos}, held_out_share)
    learned = [video for video in videos if roles[video.name] == "train"]
    return learned, [video for video in videos if roles[video.name] != "train"]
