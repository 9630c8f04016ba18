"""The search for people whom the first look misses, spread over frames."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ring_buffers.frames import Lease
from stages.looks import search_views
from stages.pipeline import Pipeline
from stages.settings import ModelSettings, PipelineSettings, TrackingSettings, WindowSettings
from stages.types import FrameAnalysis
from support.models.bright_people import (
    SIZE,
    BrightSearchNetwork,
    BrightSecondNetwork,
    Person,
    bright_pipeline,
    drawn_frames,
)
from support.models.scripted_people import Spot, assert_same, run

VIEWS = search_views(SIZE)
STANDS: Person = (100, 200, 130, 260)
"""A person who keeps still."""


def blind_pipeline(confirm_frames: int = 2, search_s: float = 4.0) -> tuple[Pipeline, BrightSearchNetwork]:
    """A pipeline whose first look finds no people."""
    settings = PipelineSettings(
        model=ModelSettings(objects_s=None, search_s=search_s, sweep_s=5.0),
        tracking=TrackingSettings(confirm_frames=confirm_frames),
        window=WindowSettings(steps=12),
    )
    search = BrightSearchNetwork()
    pipeline, _ = bright_pipeline(settings, second=BrightSecondNetwork(), search=search, finds_anybody=False)
    return pipeline, search


def analysed(pipeline: Pipeline, scenes: Sequence[Sequence[Person]]) -> list[FrameAnalysis]:
    return [pipeline.process([lease])[0] for lease in drawn_frames(pipeline, scenes)]


def walker(number: int) -> Person:
    return (100 + 4 * number, 200, 130 + 4 * number, 260)


@pytest.mark.parametrize("confirm_frames", [2, 3, 5])
def test_people_whom_only_the_search_finds_are_confirmed(confirm_frames: int) -> None:
    pipeline, _ = blind_pipeline(confirm_frames)
    found = analysed(pipeline, [[STANDS]] * 30)
    # Searched in the second frame for the first time.
    assert [len(one.people) for one in found[: confirm_frames + 1]] == [0] * confirm_frames + [1]
    assert {person.track for one in found for person in one.people} == {1}
    assert found[-1].tracks == 1, "the track lives on"


@pytest.mark.parametrize("people", ["still", "walking"])
def test_searches_do_not_depend_on_how_frames_are_distributed_over_batches(people: str) -> None:
    scenes = [[STANDS if people == "still" else walker(number)] if number % 40 >= 20 else [] for number in range(80)]

    def answers(size: int) -> tuple[dict[Spot, FrameAnalysis], int]:
        pipeline, search = blind_pipeline()
        cameras = [list(drawn_frames(pipeline, scenes, name)) for name in "ab"]
        order: list[Lease] = [lease for pair in zip(*cameras, strict=True) for lease in pair]
        return run(pipeline, [order[start : start + size] for start in range(0, len(order), size)]), search.views

    (singly, views), (batched, others) = answers(1), answers(7)
    assert views == others > 2 * len(VIEWS)
    assert any(one.people for one in singly.values())
    for spot, one in singly.items():
        assert one.look == batched[spot].look
        assert_same(one, batched[spot])


def test_an_eased_model_searches_on_spared_cameras_only() -> None:
    pipeline, search = blind_pipeline()
    pipeline.ease(1, {"yard"})
    for lease in drawn_frames(pipeline, [[STANDS]] * 30, "hall"):
        pipeline.process([lease])
    assert search.views == 0
    for lease in drawn_frames(pipeline, [[STANDS]] * 30, "yard"):
        pipeline.process([lease])
    assert search.views >= len(VIEWS)
