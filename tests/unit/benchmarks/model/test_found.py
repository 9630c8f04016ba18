"""Tests of the counting of people who are found, and of its figures."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import av
import numpy as np
import pytest
from rich.console import Console

from benchmarks import machine
from benchmarks.model import found
from benchmarks.model.found import (
    FOUND,
    FOUND_LATE,
    HEIGHTS,
    WRONG,
    FoundMeasured,
    FoundPlan,
    Scene,
    Variant,
    VariantError,
    Watcher,
)  # fmt: skip
from benchmarks.model.found_scenes import Clip, Truth
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import slot_format
from stages.pipeline import Pipeline
from stages.settings import ModelSettings, PipelineSettings
from stages.types import PersonAnalysis
from support.models.bright_people import BrightPeopleNetwork, drawn_frames
from support.models.scripted_people import random_checkpoint

LEFT, RIGHT = (0.0, 0.0, 20.0, 60.0), (40.0, 0.0, 60.0, 60.0)
FAR = (90.0, 0.0, 99.0, 60.0)
NO_PICTURE = av.VideoFrame(16, 16, "yuv420p")


def published(box: tuple[float, float, float, float]) -> PersonAnalysis:
    return PersonAnalysis(1, box, 0.5, None, [], True)


def test_a_variant_names_fields_of_the_model_of_any_type() -> None:
    variants = found.variants_of(["a:detection=full,sweep_s=2.5, max_people=8,cuda_graphs=true", "plain"])
    settings = ModelSettings(threads=1, detection="full", sweep_s=2.5, max_people=8, cuda_graphs=True)
    assert variants == [Variant("a", settings), Variant("plain", ModelSettings(threads=1))]


@pytest.mark.parametrize(
    "texts", [["a:detectoin=full"], ["a:sweep_s=-1"], ["a:detection"], [":detection=full"], ["a", "a"]]
)
def test_a_wrong_variant_is_an_error(texts: list[str]) -> None:
    with pytest.raises(VariantError):
        found.variants_of(texts)


def test_each_height_has_as_many_people() -> None:
    clips = found.people_clips(300)
    people = {height: sum(count for each, count in clips if each == height) for height in HEIGHTS}
    assert people == dict.fromkeys(HEIGHTS, 100)


def test_a_published_person_is_matched_with_one_drawn_person_best_first() -> None:
    near_left = (1.0, 0.0, 21.0, 60.0)
    assert found.matched(np.array([LEFT, RIGHT]), [RIGHT, near_left]) == {0: 1, 1: 0}
    assert found.matched(np.array([LEFT, near_left]), [LEFT]) == {0: 0}
    assert found.matched(np.array([LEFT]), [(10.0, 0.0, 30.0, 60.0)]) == {0: 0}
    assert found.matched(np.array([LEFT]), [(12.0, 0.0, 32.0, 60.0)]) == {}


def test_only_people_who_are_visible_enough_count_and_those_after_a_second_also_apart() -> None:
    truth = [Truth(np.array([LEFT, RIGHT]), np.array([1.0, share])) for share in (0.5, 0.6, 1.0)]
    clip = Clip("hall", [(NO_PICTURE, at) for at in (0, 500_000, 1_000_000)], truth)
    sums = found.people_sums(clip, [[], [published(LEFT)], [published(LEFT), published(RIGHT), published(FAR)]])
    assert sums == {FOUND: (3, 5), FOUND_LATE: (2, 2), WRONG: (1, 3)}


@pytest.mark.parametrize("detection", ["full", "auto"])
def test_a_watcher_gives_the_published_people_of_each_frame(detection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(settings: PipelineSettings) -> Pipeline:
        return Pipeline(KeypointDetector(BrightPeopleNetwork(), slot_format), random_checkpoint(), settings)

    monkeypatch.setattr(found, "load_profile", load)
    watcher = Watcher(Variant("bright", ModelSettings(detection=detection)))
    places = [((100 + 8 * frame, 100, 140 + 8 * frame, 220),) for frame in range(5)]
    for _ in range(2):  # the second time, the camera begins again
        people, cpu_s = watcher.watch(drawn_frames(watcher.model, places))
        assert [len(seen) for seen in people] == [1, 1, 1, 1, 1]
        assert cpu_s > 0


@pytest.fixture
def measured() -> FoundMeasured:
    """Eight clips, watched by two variants: the second finds twice as many at half cost."""
    plan = FoundPlan((Variant("full", ModelSettings()), Variant("regions", ModelSettings())))

    def scenes(seen: int, cpu_s: float) -> list[Scene]:
        sums: dict[str, tuple[float, float]] = {FOUND: (seen, 8), FOUND_LATE: (seen, 8), WRONG: (0, 30)}
        return [Scene(f"{height} px", "", sums, 30, cpu_s) for height in (40, 60) * 4]

    return FoundMeasured(plan, {"full": scenes(3, 2.0), "regions": scenes(6, 1.0)})


def test_variants_are_compared_clip_by_clip_with_the_first(measured: FoundMeasured) -> None:
    assert measured.heights == ["40 px", "60 px", "all"]
    assert measured.share("regions", "all", FOUND) == pytest.approx((0.75, 0.75, 0.75))
    assert measured.share("full", "40 px", FOUND) == (0.375, None, None), "too few clips for an interval"
    assert measured.gain("regions", "all") == pytest.approx((0.375, 0.375, 0.375))
    assert measured.cpu_ratio("regions") == pytest.approx((0.5, 0.5, 0.5))
    assert measured.cpu_ms("full").value == pytest.approx(2000 / 30)


def test_figures_are_printed_and_written(measured: FoundMeasured) -> None:
    console = Console(width=200, record=True, file=StringIO())
    found.print_found(measured, machine.describe(), console)
    assert "75.0" in console.export_text()
    figures = json.loads(json.dumps(measured.as_json(), allow_nan=False))
    assert len(figures["figures"]) == 6
    assert len(figures["clips"]["full"]) == 8
