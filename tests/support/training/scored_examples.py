"""A small handmade test set of two people, and a model with scripted answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import Lease
from stages.types import ActionAnalysis, Box, FrameAnalysis, PartAnalysis, PersonAnalysis
from support.engines.film_models import Scripted, make_film
from training.kinetics_tps.names import GROUND_TRUTH_FILES, frame_file, video_file
from training.kinetics_tps.write import write_whole
from training.synthetic.scoring.answers import AnsweredFrame, AnsweredPerson, Effort, Pair, VideoAnswers
from training.synthetic.videos.manifest import GeneratedVideo, Manifest, write_manifest
from training.synthetic.videos.truth import TrueFrame, TruePerson, Truth, truth_file, write_truth

ACTIONS = ("walk", "wave", "other")
PAIRS: tuple[Pair, ...] = (("head", "none"), ("left_arm", "none"), ("left_arm", "raise"), ("left_arm", "wave"))
PLACES: dict[int, Box] = {1: (10.0, 10.0, 50.0, 110.0), 2: (90.0, 20.0, 130.0, 110.0)}
FPS = 10.0
LETTERS = {"w": "walk", "v": "wave", "o": "other", "u": None}


def true_person(number: int, action: str | None = "walk", visible: float = 1.0, **changes: object) -> TruePerson:
    """Return a person at their place, all joints in the middle of the box, the last eight hidden."""
    x1, y1, x2, y2 = PLACES[number]
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    states = {"head": ("none",), "left_arm": ("raise", "wave") if action == "wave" else ("none",)}
    person = TruePerson(
        number, visible, PLACES[number], action, tuple((*middle, int(at < 9)) for at in range(17)), states
    )
    return msgspec.structs.replace(person, **changes)


def truth_of(**people: str) -> Truth:
    """Return frames from one letter per frame of p1 and p2: w(alk), wa(v)e, o(ther), u(nsure), blank: absent."""
    length = max(map(len, people.values()))
    frames: list[TrueFrame] = []
    for at in range(length):
        there = [
            true_person(int(name[1:]), LETTERS[letters[at]])
            for name, letters in people.items()
            if at < len(letters) and letters[at] != " "
        ]
        frames.append(TrueFrame(tuple(there)))
    return Truth(tuple(frames))


def answers_of(score: float = 0.9, **people: str) -> VideoAnswers:
    """Return answers per frame: letters as in `truth_of`, and n for a person without an answer yet."""
    length = max(map(len, people.values()))
    frames: list[AnsweredFrame] = []
    for at in range(length):
        there: list[AnsweredPerson] = []
        for name, letters in people.items():
            if letters[at] == " ":
                continue
            label = None if letters[at] == "n" else LETTERS[letters[at]]
            arm = [("left_arm", "wave")] if label == "wave" else [("left_arm", "none")]
            sure = 0.0 if label is None else score
            there.append(AnsweredPerson(PLACES[int(name[1:])], label, sure, frozenset([("head", "none"), *arm])))
        frames.append(AnsweredFrame(at, tuple(there)))
    return VideoAnswers(frames, "walk", {}, PAIRS)


class WatchedScript(Scripted):
    """A `WatchedModel` with a scripted answer for each lease."""

    actions = ACTIONS
    pairs = PAIRS

    def __init__(self, say: Callable[[Lease], FrameAnalysis] = lambda lease: FrameAnalysis()) -> None:
        super().__init__(say)
        self.shown: list[int] = []

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        self.shown += [lease.meta.frame for lease in frames]
        return super().process(frames)

    def detections(self, frame: int) -> NDArray[np.float32] | None:
        return None

    def state_scores(self, frame: int, track: int) -> NDArray[np.float32] | None:
        return None

    @property
    def effort(self) -> Effort:
        return Effort(len(self.shown), 0.002 * len(self.shown))


def analysis_of(label: str, *places: int, score: float = 0.9) -> FrameAnalysis:
    """Return an analysis of people at `places`, all with the action `label`."""
    action = ActionAnalysis(label, score, 0, [(label, score)], label, score)
    arm = [("wave", 0.8)] if label == "wave" else []
    parts = [
        PartAnalysis("left_arm", (20, 20, 30, 40), 0.9, 0.5, arm),
        PartAnalysis("head", (20, 10, 30, 20), 0.9, 0.1, []),
    ]
    return FrameAnalysis([PersonAnalysis(place, PLACES[place], 0.9, action, parts) for place in places])


def make_set(root: Path, *, seed: int = 3, code: str = "c" * 64, frames: int = 11) -> Manifest:
    """Write two videos: one person walks in `steps`, two wave in `hands`, whose motion is unseen."""
    people = {
        "steps": ("walk", "w", {"p1": "w" * frames}),
        "hands": ("wave", "v", dict.fromkeys(("p1", "p2"), "v" * frames)),
    }
    videos: list[GeneratedVideo] = []
    actions: dict[str, str] = {}
    parts: dict[str, object] = {}
    for name, (action, _, letters) in people.items():
        make_film(video_file(root, "test", action, name), frames)
        write_truth(truth_file(root, name), truth_of(**letters))
        sources = tuple((("style",),) * len(letters))
        videos.append(
            GeneratedVideo(
                name, action, name == "hands", sources, len(letters), "fixed", False, (160, 120), FPS, frames
            )
        )
        actions[name] = action
        person = {"box": [10, 10, 50, 110], "parts": {"left_arm": {"box": [20, 20, 30, 40],
                  "verb": "wave" if action == "wave" else "none"}}}  # fmt: skip
        parts[name] = {frame_file(index): {"humans": [person]} for index in range(1, frames + 1, 5)}
    for file, content in zip(GROUND_TRUTH_FILES, (actions, parts)):
        write_whole(root / "ground_truth" / file, msgspec.json.encode(content))
    manifest = Manifest(seed, code, "test", {"people": [1, 2]}, tuple(videos))
    write_manifest(root, manifest)
    return manifest
