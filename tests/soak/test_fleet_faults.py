"""Faults in a fleet with Ray, and a trial from the command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.fleet.faults import FAULTS, run
from benchmarks.fleet.local_fleet import settings
from support.repository import REPOSITORY
from support.waiting import wait_until

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_all_cameras_live_and_no_reader_gets_an_older_generation(fault: str) -> None:
    if fault == "head-away-redis" and shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    seen = await run(fault, cameras=6)
    assert (seen.stale_handed_out, seen.uncounted, seen.missing_cameras) == (0, 0, 0)
    assert fault == "drain" or seen.moved_others == 0
    if (limit_s := FAULTS[fault].goals.get("control_s")) is not None:
        assert (seen.control_s or 0) <= limit_s and seen.other_silence_s < 2, "engines go on"


def processes_with(variable: str) -> list[str]:
    """Return the processes whose environment has this."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (path / "environ").read_bytes():
                found.append(path.name)
    return found


def test_a_trial_runs_until_it_is_interrupted_and_leaves_no_process(tmp_path: Path) -> None:
    given = {"cameras": [{"id": "door", "source": "pattern:320x180@10"}], "engines": {"reserve": 0}}
    configured: dict[str, Any] = {**settings(1, str(tmp_path)), **given}
    configured["controller"] |= {"directory": "tcp://0.0.0.0:0", "allow_plaintext": True}
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(configured))
    command = [sys.executable, str(REPOSITORY / "run_stream.py"), "fleet", "up"]
    log, environment = tmp_path / "log", {**os.environ, "TRIAL": str(tmp_path), "HOME": str(tmp_path)}
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output) as trial,
    ):
        try:
            wait_until(lambda: "live page and API at http" in log.read_text() or trial.poll() is not None)
            found = re.search(r"live page and API at (http://\S+),", log.read_text())
            assert found is not None, log.read_text()
            status = [sys.executable, str(REPOSITORY / "run_stream.py"), "fleet", "status", "--url", found[1]]
            wait_until(lambda: "cameras: 1 live" in subprocess.run(status, capture_output=True, text=True).stdout)
            assert len(processes_with(f"TRIAL={tmp_path}")) > 2, "Ray's own, too"
            assert re.search(r"directory at fleet://[1-9]", log.read_text()) and "starting Ray" in log.read_text()
            assert (tmp_path / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
        finally:
            trial.send_signal(signal.SIGINT)
        assert trial.wait() in (0, 128 + signal.SIGINT), log.read_text()
    assert "did not stop in order" not in log.read_text() and "Traceback" not in log.read_text()
    wait_until(lambda: not processes_with(f"TRIAL={tmp_path}"))
