"""Summary of an evaluation: the score, and figures by part, state, action and video.

`as_json` is the output of `evaluate --json`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stages.vocabulary import PARTS
from training.benchmark.observed_answers import SHARES, Recognition
from training.benchmark.psc import Correctness, accuracy_at, area
from training.benchmark.submission import Flags, Floats, GroundTruth, Prediction

THRESHOLDS: Floats = np.arange(1, 10) / 10
"""PSC thresholds at which accuracy is reported; the area uses all of 1/10000 … 9999/10000."""


@dataclass(frozen=True, slots=True)
class PartTally:
    """Counts of true parts of one kind: all of them, and those that meet each condition and the ones before it."""

    count: int
    person_matched: int
    located: int
    """… and a proposed box matches."""
    right: int
    """… and its state is correct."""
    correctness: float
    """Mean part score: each correct part counts 1 / proposed states, divided by `count`."""


@dataclass(frozen=True, slots=True)
class ActionTally:
    """Figures of the videos of one class."""

    videos: int
    right: int
    mean_psc: float
    area: float


@dataclass(frozen=True, slots=True)
class VideoResult:
    """One video."""

    video: str
    action: str
    answer: str
    psc: float

    @property
    def right(self) -> bool:
        """Whether its class is correct."""
        return self.action == self.answer


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """An evaluation of V videos."""

    area: float
    mean_psc: float
    video_accuracy: float
    accuracy_at: Floats
    """[9]: accuracy at `THRESHOLDS`."""
    frames: int
    """Scored frames."""
    people: int
    people_matched: int
    videos: tuple[VideoResult, ...]
    parts: dict[str, PartTally]
    """By name of the part, in the vocabulary's order."""
    states: dict[str, PartTally]
    """By true state, most frequent first."""
    actions: dict[str, ActionTally]
    """By class, in alphabetical order."""
    recognition: Recognition | None
    warnings: tuple[str, ...]

    def confusion(self) -> dict[str, Counter[str]]:
        """Return true class → predicted class → videos, with the classes in the order of `actions`."""
        table: dict[str, Counter[str]] = {action: Counter() for action in self.actions}
        for video in self.videos:
            table[video.action][video.answer] += 1
        return table


def summarise(
    truth: GroundTruth, prediction: Prediction, found: Correctness, recognition: Recognition | None = None
) -> Summary:
    """Return the summary of an evaluation."""
    people = truth.people
    part_names, verbs = list(truth.part_names), list(truth.verbs)
    matched = found.person_match >= 0

    def tally(of: Flags) -> PartTally:
        return PartTally(
            count=int(of.sum()),
            person_matched=int(matched[people.part_person[of]].sum()),
            located=int(found.part_located[of].sum()),
            right=int(found.part_right[of].sum()),
            correctness=float(found.part_score[of].mean()),
        )

    by_part = {part_names[number]: tally(people.part_name == number) for number in np.unique(people.part_name)}
    order = {part: place for place, part in enumerate(PARTS)}
    # A true part has one proposal, in its own row.
    by_state = {verbs[number]: tally(people.proposal_verb == number) for number in np.unique(people.proposal_verb)}
    truth_actions = np.array(truth.actions)
    actions: dict[str, ActionTally] = {}
    for action in sorted(set(truth.actions)):
        of = truth_actions == action
        actions[action] = ActionTally(
            videos=int(of.sum()),
            right=int(found.right[of].sum()),
            mean_psc=float(found.psc[of].mean()),
            area=area(found.psc[of], found.right[of]),
        )
    return Summary(
        area=found.area,
        mean_psc=float(found.psc.mean()),
        video_accuracy=float(found.right.mean()),
        accuracy_at=accuracy_at(found.psc, found.right, THRESHOLDS),
        frames=int(found.frame_counted.sum()),
        people=len(matched),
        people_matched=int(matched.sum()),
        videos=tuple(
            VideoResult(video, action, answer, psc)
            for video, action, answer, psc in zip(truth.videos, truth.actions, prediction.actions, found.psc.tolist())
        ),
        parts=dict(sorted(by_part.items(), key=lambda item: order.get(item[0], len(order)))),
        states=dict(sorted(by_state.items(), key=lambda item: -item[1].count)),
        actions=actions,
        recognition=recognition,
        warnings=(*truth.warnings, *prediction.warnings),
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """Return `area`, `psc` by video, `video_accuracy` and all other figures, as numbers and names only."""
    return {
        "area": summary.area,
        "psc": {video.video: video.psc for video in summary.videos},
        "video_accuracy": summary.video_accuracy,
        "mean_psc": summary.mean_psc,
        "accuracy_at": {f"{at:.1f}": float(value) for at, value in zip(THRESHOLDS, summary.accuracy_at)},
        "videos": len(summary.videos),
        "frames": summary.frames,
        "people": summary.people,
        "people_matched": summary.people_matched,
        "parts": _tallies(summary.parts),
        "states": _tallies(summary.states),
        "actions": {name: asdict(tally) for name, tally in summary.actions.items()},
        "confusion": {action: dict(answers) for action, answers in summary.confusion().items()},
        "observed": None if summary.recognition is None else _observed(summary.recognition, summary.videos),
        "warnings": list(summary.warnings),
    }


def _tallies(tallies: dict[str, PartTally]) -> dict[str, Any]:
    return {name: asdict(tally) for name, tally in tallies.items()}


def _observed(recognition: Recognition, videos: Sequence[VideoResult]) -> dict[str, Any]:
    return {
        "accuracy_at_share": {f"{SHARES[row]:.1f}": float(recognition.accuracy[row]) for row in range(0, 101, 10)},
        "median_seconds_to_right": recognition.settled_after(0.5),
        "videos_right_in_the_end": int(np.isfinite(recognition.settled_s).sum()),
        "seconds_to_right": {
            video.video: seconds if np.isfinite(seconds) else None
            for video, seconds in zip(videos, recognition.settled_s.tolist())
        },
    }
