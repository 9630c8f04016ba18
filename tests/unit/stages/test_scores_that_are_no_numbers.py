"""Scores that are NaN or infinite: the frame is marked as failed, and others are not affected."""

from __future__ import annotations

import math

import pytest
import torch

from stages.step_scores import PersonInputs
from stages.third_party.weights import WeightsError
from stages.types import FrameAnalysis
from support.models import scripted_people
from support.models.scripted_people import (
    moving_people,
    random_checkpoint,
    record_inputs,
    scripted_lease,
    scripted_pipeline,
)


def test_a_frame_whose_scores_are_no_numbers_is_marked_as_failed_and_the_person_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline, _ = scripted_pipeline(moving_people(12, 1))
    analyses: list[FrameAnalysis] = []

    def spoil(steps: object, inputs: PersonInputs, visual: object) -> None:
        if len(analyses) == 5:
            inputs.context.fill_(math.nan)

    record_inputs(monkeypatch, spoil)
    for lease in map(scripted_lease, range(12)):
        analyses += pipeline.process([lease])
    assert [number for number, analysis in enumerate(analyses) if analysis.failed is not None] == [5]
    assert analyses[5].failed == "part_relevance" and not analyses[5].people
    people = [person for analysis in analyses[6:] for person in analysis.people]
    assert people and all(person.action is not None and math.isfinite(person.action.score) for person in people)


def test_weights_whose_scores_are_no_numbers_are_refused_when_the_model_is_warmed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint = random_checkpoint()
    with torch.no_grad():
        checkpoint.network.part_relevance.first.weight.fill_(3e38)
    monkeypatch.setattr(scripted_people, "random_checkpoint", lambda *arguments: checkpoint)
    pipeline, _ = scripted_pipeline(moving_people(1, 1))
    with pytest.raises(WeightsError, match="its scores are NaN or infinite: use another checkpoint"):
        pipeline.warm_up()
