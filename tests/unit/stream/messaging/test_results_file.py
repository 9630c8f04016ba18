"""The results file: nothing that exists is lost, and each result is on the disk at once."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from stream.messaging.results_file import RETRY_S, ResultsFile
from stream.results import Frame
from stream.settings.config_error import ConfigError
from support.engines.wire_messages import frame

HOLDING = """
import sys
from pathlib import Path
from stream.messaging.results_file import ResultsFile
ResultsFile(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def write(path: Path, *numbers: int) -> None:
    file = ResultsFile(path)
    for number in numbers:
        file.write("", numbered(number))
    file.close()


def numbered(number: int) -> Frame:
    return frame(number=number)


def numbers_in(path: Path) -> list[int]:
    return [msgspec.json.decode(line, type=Frame).frame for line in path.read_bytes().splitlines()]


def test_results_of_earlier_runs_are_kept_under_numbered_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.jsonl"
    caplog.set_level("INFO")
    write(path, 0, 1)
    write(path)
    write(path, 7)
    write(path, 9)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["results.jsonl", "results.jsonl.1", "results.jsonl.2"]
    assert [numbers_in(path), numbers_in(tmp_path / "results.jsonl.1"), numbers_in(tmp_path / "results.jsonl.2")] == [
        [9],
        [0, 1],
        [7],
    ]
    (tmp_path / "results.jsonl.1").unlink()
    write(path, 11)
    assert numbers_in(tmp_path / "results.jsonl.3") == [9], "a number is not used again, so that they stay in order"
    assert f"kept in {tmp_path / 'results.jsonl.2'}" in caplog.text


def test_a_file_with_other_content_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    for content in (b"\0\0\0\x20ftypisom", b"cameras: []\n", b"{}\n", b'{"schema":"partstream.alert/1"}\n'):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"results: .*clip\.mp4 does not contain results"):
            ResultsFile(path)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_anything_but_a_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()
    with pytest.raises(ConfigError, match=r"results: .*place can't be written"):
        ResultsFile(path)


def test_a_file_that_another_engine_writes_is_refused_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(ConfigError, match=rf"results: .* in use by another engine \(process {other.pid}\)"):
            ResultsFile(path)
        other.kill()
    write(path, 3)
    assert numbers_in(path) == [3]


def test_results_are_written_again_when_the_disk_has_room_and_those_between_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "results.jsonl"
    now = [100.0]
    file = ResultsFile(path, lambda: now[0])
    file.write("", numbered(0))
    with room_for_half_a_line(path):
        for number in (1, 2, 3):
            file.write("", numbered(number))
            now[0] += RETRY_S
        assert (file.missing, file.error) == (3, "File too large")
    for number in (4, 5):
        file.write("", numbered(number))
    file.close()
    assert (file.missing, file.error, numbers_in(path)) == (3, "", [0, 4, 5])
    assert [(record.levelname, "3 results are missing" in record.message) for record in caplog.records] == [
        ("ERROR", False),
        ("WARNING", True),
    ], "the begin and the end of the fault"


@contextmanager
def room_for_half_a_line(path: Path) -> Iterator[None]:
    """Limit the size of files, so that half of a line as long as the file's first one can be written."""
    length = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length + length // 2, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
