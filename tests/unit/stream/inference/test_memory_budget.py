"""A configuration that does not fit into memory is refused at start-up, with the settings to lower."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.config import Config
from stream.inference.memory_budget import check, has_room, ring_bytes
from stream.settings.config_error import ConfigError


def with_cameras(count: int, **camera: object) -> Config:
    return Config.model_validate({"cameras": [{"id": f"c{n}", "source": "pattern:", **camera} for n in range(count)]})


def test_eight_cameras_fit_into_two_gibibytes() -> None:
    check(with_cameras(8), 2 << 30)


def test_too_many_slots_are_refused_with_the_fields_to_change() -> None:
    with pytest.raises(ConfigError, match=r"ring_slots.*history_bytes"):
        check(with_cameras(8, ring_slots=256), 2 << 30)


def test_packets_held_for_clips_count_if_clips_are_recorded() -> None:
    config = with_cameras(8)
    check(config, 2 << 30)
    recording = config.recording.model_copy(update={"directory": Path("clips"), "packet_bytes": 200 << 20})
    with pytest.raises(ConfigError, match=r"1600 for recording\.packet_bytes"):
        check(config.model_copy(update={"recording": recording}), 2 << 30)


def test_only_packets_of_recorded_cameras_count() -> None:
    config = with_cameras(8)
    recording = {"directory": Path("clips"), "packet_bytes": 200 << 20, "cameras": ["c0"]}
    config = config.model_copy(update={"recording": config.recording.model_copy(update=recording)})
    check(config, 2 << 30)
    recorded, other = config.cameras[:2]
    assert has_room(other, None, config, 100 << 20)
    assert not has_room(recorded, None, config, 100 << 20), "what is added at run time fits after a restart too"
    assert has_room(recorded, recorded, config, 100 << 20), "it is held already"


def test_nothing_is_refused_if_the_system_does_not_report_memory() -> None:
    check(with_cameras(8, ring_slots=256), None)


def test_a_configured_detector_size_counts_instead_of_the_usual_picture() -> None:
    (camera,) = with_cameras(1, detector_size=(256, 256), ring_slots=4).cameras
    assert ring_bytes(camera) == 4 * 256 * 256 * 3


@pytest.mark.parametrize("model", [{"device": "cuda:0"}, {"device": "cpu", "pictures": "device"}])
def test_slots_that_hold_planes_count_as_the_usual_picture_whatever_the_detectors_size(model: dict[str, str]) -> None:
    small = with_cameras(8, detector_size=(256, 256), ring_slots=64)
    check(small, 1 << 30)
    with pytest.raises(ConfigError, match="ring_slots"):
        check(small.model_copy(update={"model": small.model.model_copy(update=model)}), 1 << 30)
