"""Tests of variants of settings and of how their models watch clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.model import found_watching
from benchmarks.model.found_watching import KeypointPipeline, Variant, VariantError, Watcher, variant_of, variants_of
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import slot_format
from stages.settings import ModelSettings, PipelineSettings
from support.models.bright_people import BrightPeopleNetwork, drawn_frames
from support.models.scripted_people import random_checkpoint


def test_a_variant_names_fields_of_the_model_of_any_type() -> None:
    settings = ModelSettings(threads=1, detection="full", sweep_s=2.5, max_people=8, cuda_graphs=True)
    assert variant_of("a:detection=full,sweep_s=2.5, max_people=8,cuda_graphs=true") == Variant("a", settings)
    assert variant_of("plain").settings == ModelSettings(threads=1)
    assert variant_of("two:threads=2").settings.threads == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a:detectoin=full", "detectoin: unknown; did you mean `detection`?; fields are profile, device, "),
        ("a:sweep_s=-1", "sweep_s: must be greater than or equal to 0.001 (got '-1')"),
        ("a:detection", "'detection' is not field=value"),
        (":detection=full", "has no name"),
    ],
)
def test_a_wrong_variant_is_an_error_that_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(VariantError) as error:
        variant_of(text)
    assert says in str(error.value)


def test_two_variants_of_one_name_are_an_error() -> None:
    with pytest.raises(VariantError, match="a: named twice"):
        variants_of(["a:detection=full", "b", "a"])


@pytest.mark.parametrize("detection", ["full", "auto"])
def test_a_watcher_gives_the_published_people_of_each_frame_with_their_keypoints(
    detection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(settings: PipelineSettings, kind: type[KeypointPipeline]) -> KeypointPipeline:
        return kind(KeypointDetector(BrightPeopleNetwork(), slot_format), random_checkpoint(), settings)

    monkeypatch.setattr(found_watching, "load_profile", load)
    watcher = Watcher(Variant("bright", ModelSettings(detection=detection)))
    places = [((100 + 8 * frame, 100, 140 + 8 * frame, 220),) for frame in range(5)]
    # The second time, the camera begins again: nobody of the first time is left.
    for _ in range(2):
        watched = watcher.watch(drawn_frames(watcher.model, places))
        assert watched.numbers == [0, 1, 2, 3, 4]
        assert [len(people) for people in watched.people] == [1, 1, 1, 1, 1]
        assert watched.cpu_s > 0
        for ((x1, y1, x2, y2),), (one,) in zip(places, watched.people, strict=True):
            assert one.keypoints is not None
            corners = [*one.keypoints[:, :2].min(0), *one.keypoints[:, :2].max(0)]
            np.testing.assert_allclose(corners, (x1, y1, x2, y2), atol=4)
