"""The doctor compares this machine's clock with others, and cameras' clocks with this machine's."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from commands.doctor import clock
from commands.doctor.clock import camera_clocks, judge, own_clock
from commands.doctor.time_reference import NTP_EPOCH_S, NoTimeError, Reading, read_time
from support.ports import reserved_port


@contextmanager
def web_server(ahead_s: float) -> Iterator[str]:
    """Run a web server whose clock is ahead by this time."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + ahead_s, usegmt=True)

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def ntp_server(answer_to: Callable[[bytes], bytes]) -> Iterator[str]:
    """Run an NTP server that answers one request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def answer() -> None:
            question, client = listening.recvfrom(512)
            listening.sendto(answer_to(question), client)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"ntp://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def stamped(ahead_s: float, stratum: int = 2, leap: int = 0) -> Callable[[bytes], bytes]:
    def answer(question: bytes) -> bytes:
        stamp = int((time.time() + ahead_s + NTP_EPOCH_S) % 2**32 * 2**32)
        head = bytes([leap << 6 | 4 << 3 | 4, stratum]) + bytes(22)
        return head + question[40:48] + struct.pack("!QQ", stamp, stamp)

    return answer


@pytest.mark.parametrize("ahead_s", [5.0, -5.0])
def test_a_clock_that_is_off_by_five_seconds_is_a_fault_by_a_web_servers_time(ahead_s: float) -> None:
    with web_server(ahead_s) as url:
        found = own_clock(url)[0]
    assert found.level == "fault"
    assert ("behind" if ahead_s > 0 else "ahead of") in found.seen
    assert "NTP" in found.remedy


@pytest.mark.parametrize("ahead_s", [5.0, -5.0])
def test_a_clock_that_is_off_by_five_seconds_is_a_fault_by_an_ntp_servers_time(ahead_s: float) -> None:
    with ntp_server(stamped(ahead_s)) as url:
        found = own_clock(url)[0]
    assert found.level == "fault"
    assert ("behind" if ahead_s > 0 else "ahead of") in found.seen


def test_a_correct_clock_is_ok() -> None:
    with web_server(0.0) as url:
        assert own_clock(url)[0].level == "ok"
    with ntp_server(stamped(0.0)) as url:
        reading = read_time(url)
    assert abs(reading.ahead_s) <= reading.uncertain_s + 0.05
    assert judge(reading).level == "ok"


def test_ntp_timestamps_are_right_after_their_seconds_wrap() -> None:
    in_2040 = 2_209_000_000.0
    stamp = int((in_2040 + 5 + NTP_EPOCH_S) % 2**32) << 32

    def answer(question: bytes) -> bytes:
        return bytes([0x24, 2]) + bytes(22) + question[40:48] + struct.pack("!QQ", stamp, stamp)

    with ntp_server(answer) as url:
        assert read_time(url, now=lambda: in_2040).ahead_s == pytest.approx(5.0)


@pytest.mark.parametrize(
    "answer",
    [
        stamped(0, stratum=0),
        stamped(0, leap=3),
        lambda question: b"short",
        lambda question: bytes([0x24, 2]) + bytes(46),
    ],
    ids=["kiss of death", "server without the time", "short", "to another question"],
)
def test_an_ntp_answer_without_a_time_is_an_error(answer: Callable[[bytes], bytes]) -> None:
    with ntp_server(answer) as url, pytest.raises(NoTimeError, match="gave no time"):
        read_time(url)


def test_a_reference_that_does_not_answer_is_named_without_its_secrets() -> None:
    found = own_clock(f"http://bob:hunter2@127.0.0.1:{reserved_port()}/?key=hunter3")[0]
    assert found.level == "warning"
    assert "http://127.0.0.1" in found.seen
    assert "hunter" not in found.seen
    for nonsense in ("10.0.0.1", "ftp://h", "http://[", "ntp://"):
        with pytest.raises(NoTimeError):
            read_time(nonsense)


def test_the_uncertainty_of_a_reading_does_not_count_against_the_clock() -> None:
    assert judge(Reading("x", 2.4, 0.5)).level == "warning"
    assert judge(Reading("x", 2.6, 0.5)).level == "fault"
    assert judge(Reading("x", -0.9, 0.5)).level == "ok"


def test_an_unsynchronised_clock_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "clock_is_synchronised", lambda: False)
    (found,) = own_clock(None)
    assert (found.level, "NTP" in found.remedy) == ("warning", True)
    monkeypatch.setattr(clock, "clock_is_synchronised", lambda: True)
    assert [one.level for one in own_clock(None)] == ["ok"]
    monkeypatch.setattr(clock, "clock_is_synchronised", lambda: None)
    assert [one.level for one in own_clock(None)] == ["ok"]


def test_one_camera_whose_clock_is_off_by_five_seconds_is_named() -> None:
    found = {one.check: one for one in camera_clocks({"door": 0.1, "yard": 5.1, "hall": 0.3})}
    assert found["clock of camera yard"].level == "fault"
    assert "behind" in found["clock of camera yard"].seen
    assert "camera's time" in found["clock of camera yard"].remedy
    assert found["cameras' clocks"].seen.startswith("2 ")
    (ahead,) = camera_clocks({"door": -5.0})
    assert (ahead.level, "ahead of" in ahead.seen) == ("fault", True)


def test_cameras_that_agree_that_this_machines_clock_is_off_are_believed() -> None:
    (found,) = camera_clocks({"door": -5.0, "yard": -5.1, "hall": -4.8})
    assert found.check == "clock"
    assert found.level == "fault"
    assert "This machine's" in found.remedy


def test_the_transmission_time_of_pictures_is_no_fault_of_a_clock() -> None:
    assert [one.level for one in camera_clocks({"door": 0.9, "yard": 0.0})] == ["ok"]
    assert camera_clocks({}) == []
