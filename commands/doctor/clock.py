"""Checks of this machine's clock and of the cameras' clocks, by which pictures of several cameras are compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from commands.doctor.finding import Finding, fault, ok, warning
from commands.doctor.time_reference import NoTimeError, Reading, clock_is_synchronised, read_time

CHECK, KEEPING = "clock", "timekeeping"
WARNING_S, FAULT_S = 0.5, 2.0
"""Differences that are a warning, and a fault. Alerts compare ages to the second."""
MAX_DELAY_S = 1.0
"""A picture may take this long from capture to arrival; that much is no difference of clocks."""
KEEP_TIME = "Run chrony or systemd-timesyncd with an NTP server that this machine reaches (often the cameras' own)"


def own_clock(reference: str | None) -> list[Finding]:
    """Check whether the system keeps its clock right, and compare it with the reference, if one is given."""
    findings: list[Finding] = []
    if reference is not None:
        try:
            findings.append(judge(read_time(reference)))
        except NoTimeError as error:
            findings.append(warning(CHECK, str(error), "Name another server: http(s)://HOST or ntp://HOST"))
    kept = clock_is_synchronised()
    if kept is False:
        findings.append(warning(KEEPING, "the kernel reports that the clock is not synchronised", KEEP_TIME))
    elif kept is None:
        findings.append(ok(KEEPING, "the system does not report whether its clock is synchronised"))
    else:
        findings.append(ok(KEEPING, "the kernel reports that the clock is synchronised"))
    return findings


def judge(reading: Reading) -> Finding:
    """Judge our clock by a reading of another. The reading's uncertainty counts in our favour."""
    off_s = max(0.0, abs(reading.ahead_s) - reading.uncertain_s)
    seen = (
        f"this machine's clock is {abs(reading.ahead_s):.1f} s {'behind' if reading.ahead_s > 0 else 'ahead of'} "
        f"{reading.source} (± {reading.uncertain_s:.1f} s)"
    )
    if off_s >= FAULT_S:
        return fault(CHECK, seen, f"Set it. {KEEP_TIME}")
    if off_s >= WARNING_S:
        return warning(CHECK, seen, f"Set it. {KEEP_TIME}")
    return ok(CHECK, f"agrees with {reading.source} (± {max(abs(reading.ahead_s), reading.uncertain_s):.1f} s)")


def camera_clocks(behind_s: Mapping[str, float]) -> list[Finding]:
    """Judge the cameras' clocks by how far each was behind ours when a picture arrived.

    If most are off by the same amount, ours is probably the one that is wrong.
    """
    if not behind_s:
        return []
    off = {camera: _unexplained(seconds) for camera, seconds in behind_s.items()}
    middle = statistics.median(off.values())
    wrong_alike = [camera for camera, seconds in off.items() if abs(seconds - middle) < WARNING_S]
    if abs(middle) >= WARNING_S and len(off) > 1 and len(wrong_alike) * 2 > len(off):
        seen = f"the clocks of {len(wrong_alike)} of {len(off)} cameras agree, {_words(middle)} this machine's"
        return [_by_size(CHECK, middle, seen, f"This machine's is probably the one that is wrong. {KEEP_TIME}")]
    findings = [
        _by_size(
            f"clock of camera {camera}",
            seconds,
            f"{_words(seconds)} this machine's",
            "Set the camera's time, preferably by NTP from the same server as this machine",
        )
        for camera, seconds in off.items()
        if abs(seconds) >= WARNING_S
    ]
    alike = len(off) - len(findings)
    if alike:
        agree = "agrees" if alike == 1 else "agree"
        findings.append(ok("cameras' clocks", f"{alike} {agree} with this machine's"))
    return findings


def _unexplained(behind_s: float) -> float:
    """Return the part of the difference that the delay of pictures cannot explain."""
    return behind_s if behind_s < 0 else max(0.0, behind_s - MAX_DELAY_S)


def _by_size(check: str, off_s: float, seen: str, remedy: str) -> Finding:
    return (fault if abs(off_s) >= FAULT_S else warning)(check, seen, remedy)


def _words(behind_s: float) -> str:
    return f"{abs(behind_s):.1f} s {'behind' if behind_s > 0 else 'ahead of'}"
