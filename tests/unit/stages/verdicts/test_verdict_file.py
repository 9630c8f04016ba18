"""Files of verdicts: what is written is read, and what is damaged is named and used by none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from stages.verdicts import verdict_file
from stages.verdicts.verdict_file import Verdict, VerdictFileError

ONE = Verdict(
    id="e0123abcd-1",
    clip="20240101T000000000Z_door_fall",
    camera="door",
    epoch=1,
    track=7,
    said="fall",
    verdict="really",
    truth="sit",
    first_us=400_000,
    end_us=1_400_000,
    size=(320, 180),
    boxes=[(400_000, 1.0, 2.0, 30.0, 40.0), (440_000, 2.0, 2.0, 31.0, 40.0)],
    model="edge sha256:0",
    by="anna",
    at_us=1_700_000_000_000_000,
)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / verdict_file.LABELS / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path, "e0123abcd-1.json", verdict_file.encode(ONE))
    assert path == verdict_file.label_path(tmp_path, ONE.id)
    assert verdict_file.read(path) == ONE
    assert msgspec.json.decode(path.read_bytes())["schema"] == "partstream.verdict/1"


def test_a_damaged_verdict_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    whole = verdict_file.encode(ONE)
    write(tmp_path, "e0123abcd-1.json", whole)
    damaged = {
        "e0123abcd-2.json": whole,
        "e0123abcd-3.json": whole[:100],
        "e0123abcd-4.json": b"\xff\x00",
        "e0123abcd-5.json": whole.replace("verdict/1", "verdict/2"),
        "e0123abcd-6.json": "[" * 100_000,
        "e0123abcd-7.json": "",
    }
    for name, content in damaged.items():
        write(tmp_path, name, content)
    write(tmp_path, ".e0123abcd-8.json.new", "being written")
    (tmp_path / "labels" / "e0123abcd-9.json").mkdir()
    found = list(verdict_file.read_all(tmp_path))
    errors = [one for one in found if isinstance(one, VerdictFileError)]
    assert [one for one in found if isinstance(one, Verdict)] == [ONE]
    assert [str(one).split(":")[0] for one in errors] == [*damaged, "e0123abcd-9.json"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../../etc/passwd"},
        {"clip": "../clip"},
        {"said": ""},
        {"truth": "fall"},
        {"verdict": "wrong"},
        {"first_us": 1_400_000},
        {"size": [0, 180]},
        {"boxes": []},
        {"boxes": [[500_000, 1.0, 2.0, 3.0, 4.0], [500_000, 1.0, 2.0, 3.0, 4.0]]},
        {"boxes": [[500_000, 1.0, 2.0, 1e308, 4.0]]},
    ],
    ids=str,
)
def test_an_invalid_verdict_is_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    content = msgspec.json.decode(verdict_file.encode(ONE)) | wrong
    path = write(tmp_path, "e0123abcd-1.json", msgspec.json.encode(content))
    with pytest.raises(VerdictFileError, match=r"e0123abcd-1\.json: "):
        verdict_file.read(path)


def test_the_layout_is_recognised_by_its_mark(tmp_path: Path) -> None:
    assert not verdict_file.is_verdicts_folder(tmp_path)
    for content in ('{"schema": "partstream.verdicts/2"}', "[]", verdict_file.layout()):
        (tmp_path / verdict_file.LAYOUT).write_text(content)
        assert verdict_file.is_verdicts_folder(tmp_path) is (content == verdict_file.layout())
