"""The page about the configuration."""

from __future__ import annotations

from pathlib import Path

from stream.config import Config, load
from tools.docs import config_reference


def test_the_page_is_current() -> None:
    assert config_reference.PAGE.read_text(encoding="utf-8") == config_reference.page(), (
        "docs/configuration.md is not what stream/config.py says: run `python -m tools.docs.config_reference`"
    )


def test_every_setting_is_on_the_page_with_a_description() -> None:
    page = config_reference.page()
    for definition in Config.model_json_schema()["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            assert f"| `{name}` |" in page
            assert field.get("description"), f"{name} has no description"


def test_the_example_on_the_page_is_a_valid_configuration(tmp_path: Path) -> None:
    file = tmp_path / "partstream.yaml"
    file.write_text(config_reference.EXAMPLE, encoding="utf-8")
    assert [camera.id for camera in load(file).cameras] == ["lobby", "yard"]
