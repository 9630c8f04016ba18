"""Why Ray has ended, from its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.cluster import ray_log
from fleet.cluster.settings import ClusterSettings

TOKEN = "0123456789abcdef" * 4
REFUSED = (
    "[2026-11-30 17:53:05,412 W 22106 22106] gcs_client.cc:210: Failed to get cluster ID from GCS server: "
    "Unauthenticated: RPC error: InvalidAuthToken: Authentication token is missing or incorrect\n"
)
PORT = (
    "RuntimeError: Failed to start GCS.  Last 1 lines of error files:\n"
    "[2026-11-30 17:53:19,543 C 22426 22426] (gcs_server) grpc_server.cc:134:  An unexpected system state has "
    "occurred. You have likely discovered a bug in Ray. Check failed: server_ Failed to start the grpc server. The "
    "specified port is 7000. This means that Ray's core components will not be able t\n\n"
    ".Please check /tmp/ray/logs/gcs_server.out for details. Last connection error: None\n"
)
EXITED = (
    "2026-11-30 17:52:08,969\tINFO scripts.py:1266 -- This command will now block forever.\n"
    "2026-11-30 17:53:08,969\tERR scripts.py:1311 -- \x1b[31mSome Ray subprocesses exited unexpectedly:\x1b[39m\n"
    "  gcs_server [exit code=-9]\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> ClusterSettings:
    (tmp_path / "token").write_text(TOKEN)
    return ClusterSettings.model_validate({"first_port": 7000, "token_file": tmp_path / "token"})


@pytest.mark.parametrize(
    ("text", "head", "wanted"),
    [
        (REFUSED, "10.0.0.2", "the head at 10.0.0.2 refuses the token in {token}: copy the head's file again"),
        (REFUSED, None, "another Ray, with another token, has port 7000: set another cluster.first_port"),
        (REFUSED + PORT, None, "port 7000 is in use: set another cluster.first_port"),
        (EXITED, None, "Some Ray subprocesses exited unexpectedly"),
        (f"started\nValueError: bad {TOKEN}\n  in a file\n", None, "ValueError: bad ***"),
        (f"ValueError: {'x' * 270} {TOKEN}\n", None, f"ValueError: {'x' * 270} ***"),
        ("2026-11-30 17:52:08,969\tINFO scripts.py:1085 -- Ray runtime started.\n", None, ""),
        ("", None, ""),
    ],
)
def test_the_reason_is_what_ray_wrote_of_a_failure(
    tmp_path: Path, settings: ClusterSettings, text: str, head: str | None, wanted: str
) -> None:
    log = tmp_path / "ray.log"
    log.write_text(text)
    assert ray_log.reason(log, 0, settings, head) == wanted.format(token=settings.token_file)


def test_what_an_earlier_run_wrote_is_no_reason(tmp_path: Path, settings: ClusterSettings) -> None:
    log = tmp_path / "ray.log"
    assert ray_log.reason(log, 0, settings, None) == ""
    log.write_text(PORT)
    assert ray_log.reason(log, len(PORT), settings, None) == ""
    assert ray_log.reason(log, len(PORT) + 1, settings, None) != ""  # it was shortened meanwhile
