"""The file of open alerts: what a later run reads from it, whatever happened to this one."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.alerts import alert_book
from stream.alerts.alert_book import OpenAlertsFile
from stream.results import Alert
from stream.settings.config_error import ConfigError


def alert(name: str, state: Literal["began", "updated", "cleared"] = "began", **fields: Any) -> Alert:
    defaults: dict[str, Any] = {
        **dict.fromkeys(("zone", "line", "track", "people", "action", "score", "box", "clear_reason")),
        **{"run": "", "seq": 0, "camera": "door", "epoch": 1, "frame": 7, "rule": "visitor", "severity": "info"},
        **{"reason": "person", "capture_us": 1, "since_us": 1, "began_us": 1},
    }
    return Alert(alert=name, state=state, **(defaults | fields))


def left_open(path: Path) -> set[str]:
    file = OpenAlertsFile(path)
    try:
        return {one.alert for one in file.start()}
    finally:
        file.close()


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["began", "updated", "cleared"])), max_size=40),
    st.integers(1, 9),
)
def test_a_later_run_finds_exactly_the_alerts_that_were_not_cleared(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Any], most: int
) -> None:
    path = tmp_path_factory.mktemp("alerts") / "open.jsonl"
    wanted: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alert_book, "MOST_LINES", most)
        file = OpenAlertsFile(path)
        assert file.start() == []
        for name, state in messages:
            known = state == "began" or name in wanted
            if known:
                file.append(alert(name, state))
                wanted = wanted - {name} if state == "cleared" else wanted | {name}
        file.close()
        assert left_open(path) == wanted
        assert path.stat().st_size <= 500 * (most + 6), "the file grows without bound"


def test_a_line_that_was_cut_by_a_power_failure_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "open.jsonl"
    file = OpenAlertsFile(path)
    file.start()
    for name in "ab":
        file.append(alert(name))
    file.close()
    path.write_bytes(path.read_bytes()[:-20])
    file = OpenAlertsFile(path)
    assert {one.alert for one in file.start()} == {"a"}
    assert "1 damaged lines are ignored" in caplog.text
    file.append(alert("c"))  # not glued to the cut line
    file.close()
    assert left_open(path) == {"a", "c"}


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: {}\n")
    with pytest.raises(ConfigError, match="is not a file of open alerts"):
        OpenAlertsFile(path).start()
    assert path.read_text() == "rules: {}\n"


def test_a_file_in_use_by_another_engine_is_refused_until_that_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "open.jsonl"
    first, second = OpenAlertsFile(path), OpenAlertsFile(path)
    first.start()
    first.append(alert("a"))
    with pytest.raises(ConfigError, match="in use by another engine"):
        second.start()
    first.close()
    assert [one.alert for one in second.start()] == ["a"]
    second.close()


@pytest.mark.parametrize(
    "left", [b'{"schema":"partstream.al', b'{"schema":"partstream.alert/1","run":"ab', b"\0" * 305]
)
def test_what_a_crash_during_the_first_alert_leaves_is_no_reason_not_to_start(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "open.jsonl"
    path.write_bytes(left)
    assert left_open(path) == set()


def test_an_alert_that_began_while_the_disk_was_full_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "open.jsonl"
    file = OpenAlertsFile(path)
    file.start()
    file.append(alert("before"))
    with monkeypatch.context() as patch:

        def full(descriptor: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(alert_book.os, "write", full)
        for name in "ab":
            file.append(alert(name))
        assert b'"before"' in path.read_bytes(), "what was safe stays"
    file.append(alert("c"))
    file.close()
    assert left_open(path) == {"before", "a", "b", "c"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_can_be_written_but_not_replaced_is_kept_short_without_more_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mounted(path: Path, target: Path) -> Path:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", mounted)
    monkeypatch.setattr(alert_book, "MOST_LINES", 10)
    path = tmp_path / "open.jsonl"
    file = OpenAlertsFile(path)
    file.start()
    file.append(alert("stays"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(100):
        for state in ("began", "cleared"):
            file.append(alert(str(number), state))
    file.append(alert("last"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(path.read_bytes().split(b"\n")) < 50
    file.close()
    assert left_open(path) == {"stays", "last"}
