"""What two checkpoints answer on the same generated sequences."""

from __future__ import annotations

import pytest

from stages.checkpoint import Checkpoint
from support.training.planted_checkpoints import edge_of, without_answering
from support.training.training_examples import motion_clips
from training.gate.answers import sequences_of_actions
from training.gate.decision import FORGETTING, Measured, Sequences, decide

EACH = 10


@pytest.fixture(scope="module")
def edge() -> Checkpoint:
    return edge_of("stand", "walk", "sit")


def against(old: Checkpoint, new: Checkpoint) -> dict[str, Sequences]:
    return sequences_of_actions(old, new, motion_clips(), each=EACH)


def refused(found: dict[str, Sequences]) -> set[str]:
    checks = decide(Measured(sequences=found))
    return {check.part for check in checks if check.name == FORGETTING and check.outcome == "refused" and check.part}


def test_a_checkpoint_keeps_what_it_knows_itself(edge: Checkpoint) -> None:
    found = against(edge, edge)
    assert set(found) == {"stand", "walk", "sit"}
    assert all(one.shown > EACH / 2 and one.old == one.new > one.shown / 2 for one in found.values())
    assert all((one.lost, one.gained) == (0, 0) for one in found.values()) and not refused(found)


def test_the_gate_refuses_an_action_forgotten(edge: Checkpoint) -> None:
    found = against(edge, without_answering(edge, "walk"))
    assert found["walk"].new == 0 and found["walk"].lost == found["walk"].old
    assert refused(found) == {"walk"}


def test_an_action_that_the_new_checkpoint_lacks_is_forgotten_and_one_that_it_added_is_no_matter(
    edge: Checkpoint,
) -> None:
    found = against(edge_of("walk", "sit"), edge_of("sit", "crawl"))
    assert set(found) == {"walk", "sit"} and found["walk"].new == 0 and refused(found) == {"walk"}
