"""Settings files: reading, merging, and errors that name the field and suggest the nearest setting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.settings_file import SettingsFileError, error_text, merged, read_settings


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class File(Section):
    kind: Literal["file"]
    path: str = ""


class Stream(Section):
    kind: Literal["stream"]
    address: str = ""


class Camera(Section):
    max_fps: float | None = Field(None, gt=0)
    source: Annotated[File | Stream, Field(discriminator="kind")] | None = None


class Settings(Section):
    cameras: list[Camera] = []
    camera: Camera | None = None
    seed: int = 0


def errors(content: dict[str, object], *, show_values: bool = True) -> str:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(content)
    return error_text(error.value, Settings, command="partstream list", show_values=show_values)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"cam": {}}, "cam: unknown; did you mean `camera`?"),
        ({"cameras": [{"fps": 5}]}, "cameras.0.fps: unknown; did you mean `max_fps`?"),
        ({"camera": {"maxfps": 5}}, "camera.maxfps: unknown; did you mean `max_fps`?"),
        (
            {"camera": {"source": {"kind": "stream", "adress": ""}}},
            "camera.source.stream.adress: unknown; did you mean `address`?",
        ),
        ({"banana": 1}, "banana: unknown; `partstream list` lists all settings"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest_one(content: dict[str, object], expected: str) -> None:
    assert errors(content) == expected


def test_wrong_values_are_quoted_only_on_request() -> None:
    content: dict[str, object] = {"seed": "many", "cameras": [{"max_fps": -1}]}
    shown = errors(content)
    assert "(got 'many')" in shown and "cameras.0.max_fps: must be greater than 0 (got -1)" in shown
    assert "many" not in errors(content, show_values=False)


def test_layers_are_merged_section_by_section() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(base, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "can't be read: No such file"),
        (b"\xe9", "is not UTF-8 text"),
        (b"a: [\n", "line 2: not valid YAML"),
        (b"- 1", "must be a mapping of settings, for example"),
        (b"a: 1\nb: !!timestamp 2026-13-45", "line 2: a value is invalid"),
        (b"a: !!bool perhaps", "line 1: a value is invalid"),
        (b'a: "x\\0"', "line 1: a value contains a null character"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "is nested too deep"),
        (b"a: 1\nb: 2\na: 3", "line 3: `a` is set twice"),
    ],
)
def test_a_file_that_holds_no_settings_is_rejected_by_name(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsFileError, match=f"a\\.yaml.*{expected}"):
        read_settings(path, ", for example `seed: 1`")
    path.write_bytes(b"# empty\n")
    assert read_settings(path, "") == {}


@pytest.mark.parametrize("text", ["2026-99-99", "2026-01-31", "2026-01-31 12:00:00", "2026-01-31T12:00:00+01:00"])
def test_dates_and_times_are_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n{text.split(' ')[0]}: b\n")
    assert read_settings(path, "") == {"a": text, text.split(" ")[0]: "b"}
