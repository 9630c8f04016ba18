"""The screen of `top`: rates since the last snapshot, and remedies for cameras with errors, in any terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from commands.top.engine_client import Camera, CameraStatus, EngineClient, EngineStatus, Load, Model, Snapshot
from commands.top.measurements import Measurements, parse
from commands.top.screen import Screen

ADDRESS = "http://127.0.0.1:9090"


def camera(camera_id: str, state: str = "live", reason: str | None = None, **dropped: int) -> Camera:
    message = f"camera {camera_id}: nothing listens. Check host and port" if reason else state
    return Camera(camera_id, CameraStatus(state, reason, message, 1, 100, 50, dropped, 25.0, 12.5, 2))


def page(detections: int, resident: int = 500 << 20) -> Measurements:
    return parse(
        "# TYPE process_resident_memory_bytes gauge\n"
        f"process_resident_memory_bytes {resident}\n"
        "# TYPE partstream_frame_age_seconds histogram\n"
        f'partstream_frame_age_seconds_bucket{{camera="door",le="0.1"}} {detections}\n'
        f'partstream_frame_age_seconds_bucket{{camera="door",le="+Inf"}} {detections}\n'
        f'partstream_frame_age_seconds_sum{{camera="door"}} {detections / 20}\n'
        "# TYPE partstream_stage_seconds histogram\n"
        f'partstream_stage_seconds_bucket{{stage="detection",le="0.1"}} {detections}\n'
        f'partstream_stage_seconds_bucket{{stage="detection",le="+Inf"}} {detections}\n'
        f'partstream_stage_seconds_sum{{stage="detection"}} {detections / 20}\n'
    )


def snapshot(at_s: float, *cameras: Camera, detections: int = 10, run: str = "a" * 32, ready: bool = True) -> Snapshot:
    reason = "" if ready else "no batch for 12 s"
    status = EngineStatus(run, 60.0, ready, reason, Model("edge", True), 3, 256, 1, 0, list(cameras))
    return Snapshot(at_s, status, page(detections))


def shown(screen: Screen, width: int = 140, height: int | None = None) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height)
    console.print(screen, height=height)
    return out.getvalue()


def line_of(text: str, beginning: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(beginning))


def test_before_the_first_snapshot_the_address_is_shown() -> None:
    assert ADDRESS in shown(Screen(ADDRESS))


def test_a_camera_shows_state_rates_age_and_drops_a_second_by_reason() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("door", stale=100, overwritten=7)))
    screen.show(snapshot(12.0, camera("door", stale=120, overwritten=7), detections=30))
    line = line_of(shown(screen), "door")
    for expected in ("live", "25.0/s", "12.5/s", "50 ms", "95 ms", "10/s  stale 10"):
        assert expected in line
    assert "overwritten" not in line


def test_a_reduced_quality_and_an_overload_are_shown_below_the_first_line() -> None:
    screen = Screen(ADDRESS)
    full = snapshot(10.0, camera("door"))
    screen.show(full)
    assert "reduced" not in shown(screen) and "overloaded" not in shown(screen)
    for load, expected in (
        (Load(2, 5, False), "reduced detail: this machine is busy (ease level 2 of 5)"),
        (Load(5, 5, True), "overloaded: frames are dropped at the highest ease level (5)."),
        (Load(0, 0, True), "overloaded: frames are dropped."),
    ):
        screen.show(replace(full, status=msgspec.structs.replace(full.status, load=load)))
        assert shown(screen).splitlines()[1].startswith(expected)


def test_on_80_columns_the_reasons_of_drops_are_below_the_table() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("door", stale=0, overwritten=0), camera("yard")))
    screen.show(snapshot(12.0, camera("door", stale=4, overwritten=20), camera("yard"), detections=30))
    text = shown(screen, 80)
    assert "12/s" in line_of(text, "door")
    assert "door dropped per second: overwritten 10, stale 2" in text
    assert "yard dropped" not in text
    assert "dropped per second" not in shown(screen, 100)


def test_after_one_snapshot_all_drops_are_counted() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("door", stale=100)))
    assert "100  stale 100" in line_of(shown(screen), "door")


def test_a_stage_shows_its_rate_its_duration_and_its_share() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, detections=10))
    screen.show(snapshot(12.0, detections=30))
    line = line_of(shown(screen), "detection")
    for expected in ("10.0/s", "50 ms", "50%", "█" * 6):
        assert expected in line
    assert "500 MiB" in shown(screen)
    assert "3 of 256" in shown(screen)


def test_another_run_is_not_compared_with_the_previous_one() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("door", stale=100), detections=100))
    screen.show(snapshot(12.0, camera("door", stale=3), detections=6, run="b" * 32))
    text = shown(screen)
    assert "3  stale 3" in line_of(text, "door")
    assert "0.1/s" in line_of(text, "detection")


def test_a_camera_with_a_problem_shows_the_remedy_and_an_unready_engine_the_reason() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("door", "reconnecting", "refused"), ready=False))
    text = shown(screen)
    assert "camera door: nothing listens. Check host and port" in text
    assert "NOT READY" in text
    assert "no batch for 12 s" in text


def test_control_characters_do_not_reach_the_terminal() -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("\x1b[31mdoor", "\x1b[2J", "\x07", **{"\x1b]0;x\x07": 1}), run="\x1b[31m"))
    screen.set_error("\x1b[31m")
    assert not [letter for letter in shown(screen) if letter != "\n" and not letter.isprintable()]


def test_while_the_engine_does_not_answer_the_last_snapshot_stays_with_its_age() -> None:
    screen = Screen(ADDRESS, now=lambda: 15.0)
    screen.show(snapshot(10.0, camera("door")))
    screen.set_error("no engine answers")
    assert "no engine answers; retrying" in shown(screen)
    assert "5.0 s ago" in shown(screen)
    assert "door" in shown(screen)
    screen.show(snapshot(16.0, camera("door")))
    assert "retrying" not in shown(screen)


@pytest.mark.parametrize("width", [30, 60, 80, 100, 200])
def test_it_fits_any_width(width: int) -> None:
    screen = Screen(ADDRESS)
    screen.show(snapshot(10.0, camera("a-camera-with-quite-a-long-name", stale=100, overwritten=1), camera("door")))
    text = shown(screen, width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "live" in text


def test_of_more_cameras_than_rows_those_with_problems_are_shown_first() -> None:
    screen = Screen(ADDRESS)
    cameras = [camera(f"cam{number}") for number in range(60)] + [camera("yard", "stalled", "stalled")]
    screen.show(snapshot(10.0, *cameras))
    text = shown(screen, height=30)
    assert "yard" in text
    assert "and 48 more" in text
    assert "detection" in text
    assert len(shown(screen).splitlines()) > 60


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("https://wall.example/", "https://wall.example"),
        ("http://[::1]:9090", "http://[::1]:9090"),
    ],
)
def test_an_engines_address_may_be_given_in_any_usual_form(given: str, address: str) -> None:
    assert EngineClient(given).address == address


@pytest.mark.parametrize(
    "given", ["ftp://h", "http://", "http://user:hunter2@h:1", "http://h:port", "http://h/?t=hunter2"]
)
def test_an_invalid_address_is_refused_without_being_quoted(given: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        EngineClient(given)
    assert "hunter2" not in str(refused.value)


def test_a_token_that_no_header_can_hold_is_refused_without_being_quoted() -> None:
    for token in ("hunter2\n", "hunter2é"):
        with pytest.raises(ValueError, match="the token must") as refused:
            EngineClient("http://h", token)
        assert "hunter2" not in str(refused.value)
