"""A slow reference for Part State Correctness, written from the method's description.

It works on the JSON, one box at a time, and shares no code with `training.benchmark.psc`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment


def psc_of_videos(truth: dict[str, Any], prediction: dict[str, Any]) -> dict[str, float]:
    """Return PSC by video; `truth`, `prediction`: {video: {frame: {"humans": […]}}}."""
    return {video: psc(frames, prediction[video]) for video, frames in truth.items()}


def psc(frames: dict[str, Any], predicted: dict[str, Any]) -> float:
    """Return the mean over counted frames, or 1 without any."""
    total, counted = 0.0, 0
    for name, frame in frames.items():
        people = frame["humans"]
        if not people:
            continue
        if name not in predicted:
            counted += 1
            continue
        parts = 0
        for person in people:
            parts += len(person["parts"])
        if parts == 0:
            continue
        total += frame_sum(people, predicted[name]["humans"]) / parts
        counted += 1
    return total / counted if counted else 1.0


def frame_sum(people: list[Any], predicted: list[Any]) -> float:
    """Return the sum over people of their sums over parts."""
    partner = partners(people, predicted)
    total = 0.0
    for number, person in enumerate(people):
        of_person = 0.0
        if number in partner:
            guesses = predicted[partner[number]]["parts"]
            for name, part in person["parts"].items():
                if name in guesses:
                    of_person += part_score(part, guesses[name])
        total += of_person
    return total


def part_score(part: dict[str, Any], guess: dict[str, Any]) -> float:
    """Return 1 / number of proposed verbs if any proposal overlaps the part and has its verb, else 0."""
    for box, verb in zip(guess["box"], guess["verb"]):
        if verb == part["verb"] and iou(part["box"], box) >= 0.3:
            return 1 / len(guess["verb"])
    return 0.0


def partners(people: list[Any], predicted: list[Any]) -> dict[int, int]:
    """Return true person → predicted person by the best assignment, for pairs with an IoU above 0.5."""
    if not predicted:
        return {}
    matrix = np.zeros((len(people), len(predicted)), dtype=np.float32)
    for i, person in enumerate(people):
        for j, guess in enumerate(predicted):
            matrix[i, j] = iou(np.float32(person["box"]), np.float32(guess["box"]))
    if len(people) > len(predicted):
        matrix = np.hstack([matrix, np.zeros((len(people), len(people) - len(predicted)), dtype=np.float64)])
    if len(people) < len(predicted):
        matrix = np.vstack([matrix, np.zeros((len(predicted) - len(people), len(predicted)), dtype=np.float64)])
    rows, columns = linear_sum_assignment(1 - matrix)
    return {
        int(i): int(j) for i, j in zip(rows, columns) if i < len(people) and j < len(predicted) and matrix[i, j] > 0.5
    }


def iou(a: Any, b: Any) -> Any:
    """Return the IoU in inclusive pixels; -1 for separate boxes."""
    across = min(a[2], b[2]) - max(a[0], b[0]) + 1
    down = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if across <= 0 or down <= 0:
        return -1.0
    shared = across * down
    area_a = (a[2] - a[0] + 1) * (a[3] - a[1] + 1)
    area_b = (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return shared / (area_a + area_b - shared)


def closed_form(psc_of: dict[str, float], right: dict[str, bool]) -> float:
    """Return the area from the thresholds that each video of the correct class reaches."""
    reached = 0
    for video, value in psc_of.items():
        if right[video]:
            low, high = 0, 9999
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if middle / 10_000 <= value else (low, middle - 1)
            reached += low
    return reached / 10_000 / len(psc_of)
