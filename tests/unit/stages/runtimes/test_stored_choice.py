"""Choices in the cache."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from stages.runtimes.choosing import FORMAT, ChoiceKey, StoredChoice, choice_file, read_choice, write_choice
from stages.runtimes.network import Candidate

KEY = ChoiceKey(
    network="movenet-multipose",
    processor="x86_64 AMD EPYC",
    cores=2,
    torch_threads=1,
    threads=2,
    sizes=[(256, 256), (448, 768)],
    precision="auto",
    packages={"torch": "2.13.0", "openvino": "2026.4.1"},
)
CHOICE = StoredChoice(
    FORMAT, KEY, "openvino", "bfloat16", {"OpenVINO in bfloat16": {"256x256": 7.5}}, {"torch in bfloat16": "too slow"}
)
OTHERS = {
    "network": "nanodet",
    "processor": "x86_64 Intel",
    "cores": 4,
    "torch_threads": 2,
    "threads": 1,
    "sizes": [(256, 256)],
    "precision": "float32",
    "packages": {"torch": "2.13.0"},
}


def test_a_choice_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_choice(folder, CHOICE)
    stored = read_choice(folder, KEY)
    assert stored == CHOICE and stored is not None and stored.candidate == Candidate("openvino", "bfloat16")
    assert [path.name for path in folder.iterdir()] == [choice_file(folder, KEY).name]


@pytest.mark.parametrize("field", OTHERS)
def test_a_choice_is_not_used_if_something_that_it_depends_on_is_different(field: str, tmp_path: Path) -> None:
    write_choice(tmp_path, CHOICE)
    assert read_choice(tmp_path, msgspec.structs.replace(KEY, **{field: OTHERS[field]})) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        msgspec.json.encode(CHOICE)[:-20],
        msgspec.json.encode(CHOICE).replace(b'"openvino"', b'"tensorrt"'),
        msgspec.json.encode(CHOICE).replace(b'"bfloat16"', b'"int8"'),
        msgspec.json.encode(CHOICE).replace(b"runtime/4", b"runtime/3"),
        msgspec.json.encode(CHOICE).replace(b'"cores":2', b'"cores":"two"'),
    ],
)
def test_a_damaged_file_is_ignored_and_logged(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = choice_file(tmp_path, KEY)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_choice(tmp_path, KEY) is None
    assert f"{path} is ignored, and runtimes are measured again" in caplog.text
    write_choice(tmp_path, CHOICE)
    assert read_choice(tmp_path, KEY) == CHOICE
