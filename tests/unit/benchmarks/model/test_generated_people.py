"""Tests of the matching of detections with generated people."""

from __future__ import annotations

import numpy as np

from benchmarks.model.generated_people import agreement, partners
from support.training.generated_examples import true_person
from training.synthetic.videos.truth import TruePerson


def detection(person: TruePerson, shift: float = 0.0) -> np.ndarray:
    """Return a detection of this person, `shift` pixels to the right."""
    keypoints = np.array([(x + shift, y, 0.8) for x, y, _ in person.keypoints])
    box = np.array(person.box) + np.array([shift, 0.0, shift, 0.0])
    return np.concatenate([box, [0.9], keypoints.reshape(-1)])


def test_a_detection_agrees_only_with_a_person_at_its_place() -> None:
    person = true_person()
    assert agreement(person, detection(person)) > 0.99
    assert agreement(person, detection(person, 3)) > 0.5 > agreement(person, detection(person, 60))


def test_each_detection_matches_one_person_best_agreement_first() -> None:
    left, right = true_person(1), true_person(2, at=(52.0, 20.0))
    assert partners([left, right], np.stack([detection(right, 1), detection(left, 1)])) == {0: 1, 1: 0}
    assert partners([left, right], np.stack([detection(right)])) == {1: 0}
    assert partners([left], np.zeros((0, 56))) == {}
