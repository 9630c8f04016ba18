"""`tls_certificates` over HTTP: a file in the configured folder, and the same answer for any other path."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.cameras.changes import SettingsError, check_certificates
from stream.settings.engine import CameraConfig


def camera(path: Path | str | None) -> CameraConfig:
    return CameraConfig.model_validate({"id": "a", "source": "rtsps://10.0.0.7/1", "tls_certificates": path})


def refusal(path: Path | str, folder: Path | None) -> str:
    with pytest.raises(SettingsError) as refused:
        check_certificates(camera(path), None, folder)
    return str(refused.value)


def test_every_path_outside_of_the_folder_gets_the_same_answer(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (tmp_path / "there.pem").write_text("there")
    (folder / "link.pem").symlink_to(tmp_path / "there.pem")
    (folder / "loop.pem").symlink_to(folder / "loop.pem")
    outside = [
        tmp_path / "there.pem",
        tmp_path / "missing.pem",
        folder / ".." / "there.pem",
        folder / "link.pem",
        f"{folder}-other/ca.pem",
        f"{tmp_path}/\0",
    ]
    answers = {refusal(path, folder) for path in outside} | {refusal(folder / "ca.pem", None)}
    assert answers == {
        "tls_certificates: must name a file in http.tls_certificates_folder, or be set in the configuration"
    }


def test_a_file_in_the_folder_and_the_one_that_the_camera_has_are_accepted(tmp_path: Path) -> None:
    check_certificates(camera(tmp_path / "ca.pem"), None, tmp_path)
    check_certificates(camera(tmp_path / "sub" / ".." / "ca.pem"), None, tmp_path)
    check_certificates(camera("/etc/ca.pem"), camera("/etc/ca.pem"), None)
    check_certificates(camera(None), camera("/etc/ca.pem"), None)
