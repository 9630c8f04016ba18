"""Judged instants of two checkpoints, by person and action."""

from __future__ import annotations

from training.footage.judging import Judged
from training.gate.answers import labelled_people
from training.gate.decision import LabelledPerson


def judged(person: int, truth: str, answer: str | None, clip: str = "vtest") -> Judged:
    return Judged(clip, person, 0.0, 1.0, truth, answer, 0.9, missed=answer is None)


def test_answers_are_counted_by_person_and_action() -> None:
    old = [judged(1, "walk", "walk"), judged(1, "walk", "run"), judged(1, "sit", "sit"), judged(2, "walk", "walk")]
    new = [judged(1, "walk", "walk"), judged(1, "walk", "walk"), judged(1, "sit", None), judged(2, "walk", "sit")]
    assert labelled_people(old, new) == [
        LabelledPerson("vtest/1", "sit", 1, 1, 0),
        LabelledPerson("vtest/1", "walk", 2, 1, 2),
        LabelledPerson("vtest/2", "walk", 1, 1, 0),
    ]


def test_all_cameras_of_a_take_are_one_unit() -> None:
    both = [judged(person, "walk", "walk", clip=f"take-cam0{camera}") for camera in (1, 2) for person in (1, 2)]
    assert {one.unit for one in labelled_people(both, both)} == {"take"}
