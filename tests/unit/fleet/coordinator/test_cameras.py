"""Tests of the settings of a fleet's cameras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.coordinator.cameras import Cameras
from fleet.coordinator.store import Kept
from fleet.settings import FleetCamera, FleetConfig
from stream.cameras.changes import NoCapacityError, NoSuchCameraError, PrivateError, SettingsError

RTSP = "rtsp://user:secret@10.0.0.7/1"


def made(*configured: dict[str, Any], kept: Mapping[str, Any] | None = None, hidden: Any = (), **more: Any) -> Cameras:
    config = FleetConfig.model_validate({"cameras": configured, **more})
    return Cameras(config, Kept(1, 1, kept or {}, {}, frozenset(), hidden))


def kept_by(cameras: Cameras, camera: FleetCamera) -> Mapping[str, Any]:
    """Return what the store has of the camera after it was changed."""
    cameras.put(camera)
    return dict(cameras.changed())


def test_kept_cameras_replace_those_of_the_configuration_and_removed_ones_stay_away() -> None:
    kept = {"a": {"id": "a", "source": RTSP, "max_fps": 5}, "b": None, "c": {"id": "c", "source": "pattern:"}}
    cameras = made(*({"id": name, "source": "pattern:"} for name in ("a", "b", "d")), kept=kept)
    assert set(cameras.all) == {"a", "c", "d"}
    assert cameras.for_engine("a") == {"source": RTSP, "max_fps": 5.0}
    assert dict(cameras.changed()).keys() == kept.keys()
    assert cameras.for_engine("b") is None


def test_a_new_password_alone_is_kept() -> None:
    cameras = made({"id": "a", "source": RTSP})
    camera = cameras.checked("a", {"source": RTSP.replace("secret", "other")})
    assert kept_by(cameras, camera)["a"]["source"] == "rtsp://user:other@10.0.0.7/1"


def test_the_published_address_keeps_the_password() -> None:
    cameras = made({"id": "a", "source": RTSP})
    assert cameras.checked("a", {"source": "rtsp://10.0.0.7/1"}).source.reveal() == RTSP
    assert cameras.checked_changes("a", {"max_fps": 5}).source.reveal() == RTSP


def test_a_camera_whose_address_cannot_be_opened_is_refused_but_one_that_is_there_can_be_changed() -> None:
    cameras = made({"id": "a", "source": "pattern:nope"})
    with pytest.raises(SettingsError, match="'pattern:nope' is not a test pattern"):
        cameras.checked("b", {"source": "pattern:nope"})
    assert cameras.checked_changes("a", {"max_fps": 5}).max_fps == 5
    with pytest.raises(SettingsError, match="'pattern:8x8' is not a test pattern"):
        cameras.checked_changes("a", {"source": "pattern:8x8"})


def test_a_camera_that_is_as_configured_again_is_not_kept() -> None:
    cameras = made({"id": "a", "source": RTSP})
    assert kept_by(cameras, cameras.checked_changes("a", {"max_fps": 5}))
    assert not kept_by(cameras, cameras.checked_changes("a", {"max_fps": None}))


def test_a_camera_whose_kept_settings_are_not_valid_any_more_exists_until_they_are_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cameras = made(kept={"a": {"id": "a", "source": RTSP, "gone": 1}})
    assert not cameras.all and cameras.has("a") and not cameras.may_adopt("a")
    assert "camera a: its kept settings are invalid" in caplog.text and "secret" not in caplog.text
    cameras.put(cameras.checked("a", {"source": RTSP}))
    assert set(cameras.all) == {"a"} and not cameras.invalid


def test_what_was_hidden_of_a_removed_camera_stays_hidden_after_a_restart() -> None:
    cameras = made()
    cameras.put(cameras.checked("a", {"source": RTSP, "privacy": "skeleton"}))
    statements = cameras.keeping(cameras.all["a"])
    cameras.remove("a")
    assert len(statements) == 2
    again = made(hidden=[hidden.model_dump(mode="json") for hidden in cameras.privacy.hidden])
    with pytest.raises(PrivateError):
        again.checked("a", {"source": RTSP})


def test_settings_of_an_engine_are_taken_for_a_camera_that_the_store_lost() -> None:
    cameras = made()
    adopted = cameras.adopted("a", {"source": RTSP, "max_fps": 5}, "n2")
    assert adopted and (adopted.source.reveal(), adopted.max_fps, adopted.pin) == (RTSP, 5.0, None)
    assert cameras.adopted("c", {"source": ""}, "n2") is None


def test_a_device_of_an_engine_is_pinned_to_its_node() -> None:
    cameras = made(coordinator={"http": {"camera_schemes": ["device"]}})
    adopted = cameras.adopted("b", {"source": "device:/dev/video0"}, "n2")
    assert adopted and adopted.pin == "n2"


def test_settings_of_an_engine_never_replace_those_of_the_configuration_or_the_store() -> None:
    kept = {"b": {"id": "b", "source": RTSP}, "c": None}
    cameras = made({"id": "a", "source": RTSP}, {"id": "c", "source": RTSP}, kept=kept)
    for name in ("a", "b", "c"):
        assert cameras.adopted(name, {"source": "rtsp://10.6.6.6/1"}, "n1") is None


def test_what_may_not_be_added_over_http_is_not_taken_from_an_engine(caplog: pytest.LogCaptureFixture) -> None:
    cameras = made({"id": "a", "source": RTSP}, coordinator={"http": {"max_cameras": 1}})
    assert cameras.adopted("b", {"source": "rtsp://10.0.0.8/1"}, "n1") is None
    assert made().adopted("b", {"source": "/etc/passwd"}, "n1") is None
    assert "max_cameras" in caplog.text and "camera_schemes" in caplog.text


def test_certificates_outside_of_the_folder_are_neither_set_over_http_nor_taken_from_an_engine(tmp_path: Path) -> None:
    rtsps = {"source": "rtsps://10.0.0.7/1", "tls_certificates": "/etc/passwd"}
    with pytest.raises(SettingsError, match=r"tls_certificates: must name a file in http\.tls_certificates_folder"):
        made().checked("a", rtsps)
    with pytest.raises(SettingsError):
        made({"id": "a", "source": RTSP}).checked_changes("a", {"tls_certificates": "/etc/passwd"})
    assert made().adopted("a", rtsps, "n1") is None
    configured = made({"id": "a", **rtsps})
    assert configured.checked_changes("a", {"max_fps": 5}).max_fps == 5
    inside = {**rtsps, "tls_certificates": str(tmp_path / "ca.pem")}
    allowing = made(coordinator={"http": {"tls_certificates_folder": str(tmp_path)}})
    assert allowing.checked("a", inside).tls_certificates == tmp_path / "ca.pem"


def test_no_camera_is_added_above_the_limit() -> None:
    cameras = made({"id": "a", "source": RTSP}, coordinator={"http": {"max_cameras": 1}})
    with pytest.raises(NoCapacityError, match="limit of coordinator"):
        cameras.checked("b", {"source": RTSP})
    with pytest.raises(NoSuchCameraError):
        cameras.checked_changes("b", {"max_fps": 5})
