"""Random pairs of ground truth and prediction, with the metric's edge cases."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

from training.benchmark.submission import GroundTruth, Prediction, parse_ground_truth, parse_prediction

PARTS = ["head", "hip", *(f"{side}_{limb}" for side in ("left", "right") for limb in ("arm", "hand", "leg", "foot"))]
VERBS = ["none", "bend", "lift", "hold", "step"]
ACTIONS = ["lunge", "push_up", "pull_ups"]


class Pair:
    """`truth` and `guess`: {video: {frame: {"humans": […]}}}; `actions` and `answers`: {video: class};
    `seen`: how often each edge case occurred."""

    def __init__(self, seed: int, *, whole: bool) -> None:
        self._random = random.Random(seed)
        self._whole = whole
        self.seen: Counter[str] = Counter()
        self.truth: dict[str, Any] = {}
        self.guess: dict[str, Any] = {}
        for number in range(self._random.randint(1, 3)):
            self._add_video(f"v{number}")
        self.actions = {video: self._random.choice(ACTIONS) for video in self.truth}
        self.answers = {video: self._random.choice([self.actions[video], *ACTIONS]) for video in self.truth}

    def read(self) -> tuple[GroundTruth, Prediction]:
        """Return both, parsed like files."""
        truth = parse_ground_truth(as_json(self.actions), as_json(self.truth))
        return truth, parse_prediction(as_json(self.answers), as_json(self.guess), truth)

    def right(self) -> dict[str, bool]:
        """Return, by video, whether its class is correct."""
        return {video: self.actions[video] == self.answers[video] for video in self.actions}

    def _add_video(self, name: str) -> None:
        self.truth[name], self.guess[name] = {}, {}
        for number in range(self._random.randint(0, 4)):
            frame = f"img_{5 * number + 1:05d}.json"
            people = [self._person() for _ in range(self._random.choice([0, 1, 2, 2, 3, 4]))]
            self._twins(people)
            if self._random.random() < 0.15:
                for person in people:
                    person["parts"] = {}
            bare = bool(people) and not any(person["parts"] for person in people)
            self.truth[name][frame] = {"humans": people}
            if self._random.random() < 0.15:
                self.seen["frame absent"] += 1
                self.seen["frame absent, its people without parts"] += bare
                continue
            self.seen["frame of people without parts"] += bare
            self.guess[name][frame] = {"humans": self._guesses(people)}
        if self._random.random() < 0.3:
            self.guess[name]["img_99996.json"] = {"humans": [self._guess(self._person())]}

    def _guesses(self, people: list[Any]) -> list[Any]:
        found = [self._guess(person) for person in people if self._random.random() < 0.85]
        found += [self._guess(self._person()) for _ in range(self._random.choice([0, 0, 0, 1, 2]))]
        self._random.shuffle(found)
        self._twins(found)
        self.seen["dummy"] += len(found) != len(people)
        return found

    def _twins(self, people: list[Any]) -> None:
        """Give two people the same box, so that the assignment has a tie."""
        if len(people) > 1 and self._random.random() < 0.35:
            one, other = self._random.sample(people, 2)
            other["box"] = list(one["box"])
            self.seen["tie"] += 1

    def _person(self) -> dict[str, Any]:
        left, top = self._random.randint(0, 60), self._random.randint(0, 60)
        box = self._moved([left, top, left + self._random.randint(3, 60), top + self._random.randint(3, 60)], 0)
        names = self._random.sample(PARTS, self._random.choice([0, 2, 5, 8, 10]))
        parts = {}
        for number, name in enumerate(names):
            part = self._moved(box, 12)
            parts[name] = {"number": number, "name": name, "box": part, "verb": self._random.choice(VERBS)}
        return {"number": 1, "box": box, "parts": parts}

    def _guess(self, person: dict[str, Any]) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        for name, part in person["parts"].items():
            if self._random.random() < 0.15:
                continue
            number = self._random.choice([0, 1, 1, 1, 2, 3, 5])
            self.seen["no verb"] += number == 0
            self.seen["five proposals"] += number == 5
            verbs = [self._random.choice([part["verb"], *VERBS]) for _ in range(number)]
            self.seen["verb twice"] += len(set(verbs)) < number
            parts[name] = {"name": name, "box": [self._moved(part["box"], 9) for _ in verbs], "verb": verbs}
        for name in self._random.sample(PARTS, 2):
            parts.setdefault(name, {"box": [self._moved(person["box"], 3)], "verb": ["bend"]})
        return {"box": self._moved(person["box"], 6), "parts": parts}

    def _moved(self, box: list[Any], by: int) -> list[Any]:
        if self._whole:
            return [edge + self._random.randint(-by, by) for edge in box]
        digits = self._random.choice([1, 2, 16])
        return [round(edge + self._random.uniform(-by - 0.5, by + 0.5), digits) for edge in box]


def as_json(value: Any) -> bytes:
    """Encode a value as in a result file."""
    return json.dumps(value).encode()
