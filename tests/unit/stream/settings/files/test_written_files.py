"""Files that the engine writes must not be those of other settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from stream.config import Config, ConfigError, load

OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("cameras.0.source", {"cameras": [{"id": "a", "source": "FILE"}]}),
    ("cameras.0.tls_certificates", {"cameras": [{"id": "a", "source": "rtsps://h/x", "tls_certificates": "FILE"}]}),
    ("model.profile", {"model": {"profile": "FILE"}}),
    ("publish.curve_allowed_keys", {"publish": {"curve_allowed_keys": "FILE", "curve_secret_key_file": "x"}}),
    ("http.tokens_file", {"http": {"tokens_file": "FILE"}}),
    ("http.tls_key", {"http": {"tls_key": "FILE", "tls_certificate": "x"}}),
    ("rules_file", {"rules_file": "FILE"}),
    ("recording.directory", {"recording": {"directory": "FILE"}}),
    ("incidents.directory", {"incidents": {"directory": "FILE"}}),
]
WRITTEN: list[tuple[str, dict[str, Any]]] = [
    ("results", {"results": "WRITTEN"}),
    ("state_file", {"state_file": "WRITTEN"}),
    ("alerts_file", {"alerts_file": "WRITTEN"}),
    ("http.audit_file", {"http": {"audit_file": "WRITTEN"}}),
]


def filled(settings: Any, paths: dict[str, str]) -> Any:
    if isinstance(settings, dict):
        return {name: filled(one, paths) for name, one in settings.items()}
    if isinstance(settings, list):
        return [filled(one, paths) for one in settings]
    return paths.get(settings, settings)


def config(*settings: dict[str, Any], **paths: str) -> Config:
    content: dict[str, Any] = {}
    for section in settings:
        for name, one in filled(section, paths).items():
            content[name] = {**content[name], **one} if isinstance(one, dict) and name in content else one
    return Config.model_validate(content)


@pytest.mark.parametrize(("other", "settings"), OTHERS, ids=[name for name, _ in OTHERS])
def test_a_file_that_is_written_is_not_that_of_another_setting(
    tmp_path: Path, other: str, settings: dict[str, Any]
) -> None:
    setting, written = WRITTEN[0]
    file, link = tmp_path / "file", tmp_path / "link"
    for missing in (True, False):
        if not missing:
            file.write_text("")
        with pytest.raises(ValueError, match=f"{setting}: must be a file of its own: .* that of {other}, too"):
            config(written, settings, WRITTEN=str(tmp_path / "." / "file"), FILE=str(file))
    os.link(file, link)
    with pytest.raises(ValueError, match="must be a file of its own"):
        config(written, settings, WRITTEN=str(link), FILE=str(file))
    config(written, settings, WRITTEN=str(tmp_path / "own"), FILE=str(file))


def test_two_files_that_are_written_are_not_the_same(tmp_path: Path) -> None:
    for index, (setting, written) in enumerate(WRITTEN):
        for _, other in WRITTEN[index + 1 :]:
            with pytest.raises(ValueError, match=f"{setting}: must be a file of its own"):
                config(written, other, WRITTEN=str(tmp_path / "file"))


@pytest.mark.parametrize(("setting", "written"), WRITTEN, ids=[name for name, _ in WRITTEN])
def test_no_file_that_is_written_is_the_configuration(tmp_path: Path, setting: str, written: dict[str, Any]) -> None:
    path = tmp_path / "partstream.yaml"
    path.write_text("cameras: []\n")
    with pytest.raises(ConfigError, match=f"{setting}: must be a file of its own: .* the configuration, too"):
        load(path, filled(written, {"WRITTEN": str(path)}))
