"""Profiling a running engine: over HTTP with the control token, and by SIGUSR2; the engine continues meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, PATTERN, READ, Client, configured, running
from support.repository import REPOSITORY
from support.waiting import until

PATH = "/api/v1/profiling"


async def done(client: Client) -> Any:
    async def newest_done() -> Any:
        newest = (await client.get(PATH))["recordings"][0]
        return None if newest["state"] in ("recording", "writing") else newest

    return await until(newest_done)


async def test_with_the_control_token_the_running_engine_is_profiled_and_the_file_downloaded(tmp_path: Path) -> None:
    config = configured({"id": "door", "source": PATTERN}, http=OFF_LOOPBACK, profiling_directory=tmp_path)
    async with running(config, CONTROL) as (engine, client):
        await until(lambda: engine.ever_live)
        status, begun, headers = await client.ask("POST", PATH, json={"seconds": 0.5})
        assert (status, begun["state"]) == (202, "recording")
        status, problem, _ = await client.ask("POST", PATH, json={"seconds": 0.5})
        assert (status, problem["type"]) == (409, "urn:partstream:problem:profiling-already")
        assert (await client.ask("GET", headers["Location"]))[0] == 404
        newest = await done(client)
        assert newest["state"] == "done", newest
        assert newest["batches"] > 0
        async with client.session.get(client.address + headers["Location"]) as answer:
            assert answer.content_type == "application/gzip"
            trace = json.loads(gzip.decompress(await answer.read()))
        assert trace["traceEvents"]
        assert (await client.get("/readyz"))["ready"] is True
        for wrong in ({"seconds": 0}, {"seconds": 31}, {"seconds": "x"}, {"minutes": 1}):
            assert (await client.ask("POST", PATH, json=wrong))[0] == 422
        reads = {"Authorization": f"Bearer {READ}"}
        assert (await client.ask("POST", PATH, json={}, headers=reads))[0] == 403
        assert (await client.ask("GET", PATH, headers=reads))[0] == 403


def test_sigusr2_starts_profiling_and_stopping_does_not_wait_for_its_end(tmp_path: Path) -> None:
    ports = ["--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "off"]
    few = "pattern:64x64@5"  # recordings have few operations then
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run_stream.py"), "run", few, "--profile", "free", *ports],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PARTSTREAM_PROFILING_DIRECTORY": str(tmp_path)},
    )
    try:
        line_with(process, r"live \(epoch")
        process.send_signal(signal.SIGUSR2)
        written = line_with(process, r"profiled .* batches: (\S+)")[1]
        assert Path(written).parent == tmp_path
        assert json.loads(gzip.decompress(Path(written).read_bytes()))["traceEvents"]
        process.send_signal(signal.SIGUSR2)
        line_with(process, "profiling for 5 s")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
        assert process.returncode == 143
        assert "without waiting longer" not in log
        assert [file.name for file in tmp_path.iterdir()] == [Path(written).name]
    finally:
        process.kill()
        process.wait()


def line_with(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stderr is not None
    read: list[str] = []
    for line in process.stderr:
        read.append(line)
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"{pattern!r} was never logged:\n{''.join(read)}")
