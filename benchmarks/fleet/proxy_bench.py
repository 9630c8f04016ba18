"""Cost of a fleet's proxy: `python -m benchmarks.fleet.proxy_bench`.

An engine's publisher and a directory run in a process of their own, and a proxy in another one. This process reads each
result twice, from the engine and through the proxy, and compares the time from publishing to arrival. A third process
reads the same with `subscribe("fleet://…")`: its CPU time for each message is compared with that of the proxy.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import zmq
from rich.console import Console

from benchmarks import machine, stats
from benchmarks.report import print_machine, write_json
from benchmarks.run_once import REPOSITORY, RunFailedError

WARM_UP = 200
"""Messages before the measurement begins."""
SILENT_MS = 20_000

PUBLISHER = """
import asyncio, json, secrets, sys, time
from stream.messaging.publisher import Publisher
from stream.results import EngineAddress, Place, decode
from stream.settings.engine import PublishConfig
from telemetry.observer import Observer

PERSON = json.loads(sys.argv[2])
BODY = {"schema": "partstream.frame/1", "run": "", "seq": 0, "epoch": 1, "frame": 0, "capture_us": 0, "clock": "rtcp",
        "media_time_us": 0, "published_us": 0, "size": [1280, 720], "objects": [], "generation": 1,
        "model": {"profile": "edge", "weights": "sha256:" + "5a" * 32, "trained": True}, "people": [PERSON, PERSON]}

async def main():
    config = PublishConfig(endpoint="tcp://127.0.0.1:0", replay="tcp://127.0.0.1:0")
    engine = Publisher(config, secrets.token_hex(16), Observer())
    directory = Publisher(config, secrets.token_hex(16), Observer())
    await engine.start()
    await directory.start()
    address = EngineAddress("e", "n", engine.run, engine.endpoint, engine.replay_endpoint)
    cameras = [f"c{number}" for number in range(8)]
    for camera in cameras:
        directory.publish(
            Place(run="", seq=0, camera=camera, state="placed", generation=1, at_us=0, address=address)
        )
    print(directory.endpoint, engine.endpoint, flush=True)
    interval, due, number = 1 / float(sys.argv[1]), time.monotonic(), 0
    while True:
        due += interval
        await asyncio.sleep(max(0, due - time.monotonic()))
        engine.publish(decode(json.dumps(BODY | {"camera": cameras[number % 8]}).encode()))
        number += 1

asyncio.run(main())
"""
READER = """
import sys
from commands.until_signal import until_signal
from partstream import subscribe

async def main():
    async for _ in subscribe(sys.argv[1]):
        pass
    return 0

until_signal(main())
"""
PERSON = {
    "track": 7,
    "box": [412.0, 118.5, 590.0, 640.0],
    "score": 0.94,
    "foot": [503.5, 632.0],
    "stature": 541.2,
    "action": {"label": "wave", "score": 0.88, "since_us": 1, "top": [["wave", 0.88], ["clap", 0.06]]},
    "parts": [
        {
            "part": name,
            "box": [540.1, 130.2, 585.3, 178.4],
            "score": 0.81,
            "relevance": 0.93,
            "states": [["wave", 0.91]],
        }
        for name in ("head", "right_hand", "left_hand", "right_arm", "left_arm", "hip", "right_leg", "left_leg")
    ],
}


class _Result(msgspec.Struct):
    camera: str
    seq: int
    published_us: int


@dataclass(frozen=True, slots=True)
class ProxyRun:
    """Figures of one run."""

    per_s: float
    """Messages published per second."""
    direct_ms: float
    """Median time from publishing to arrival, read from the engine."""
    proxied_ms: float
    """The same, read from the proxy."""
    subscriber_cpu_us: float
    """CPU time of a process that subscribes to the fleet, for each message."""
    proxy_cpu_us: float
    proxy_rss_mib: float
    missing: int
    """Messages that came from the engine and not through the proxy."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write them. Return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the cost of a fleet's proxy.")
    parser.add_argument("--rate", type=float, nargs="+", default=[100.0, 1000.0], help="Messages per second.")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/fleet_proxy.json"))
    options = parser.parse_args(arguments)
    console, progress = Console(), Console(stderr=True)
    runs: dict[float, list[ProxyRun]] = {rate: [] for rate in options.rate}
    for _ in range(options.runs):
        for rate, done in runs.items():
            done.append(run(rate, options.seconds))
            progress.print(f"{done[-1]}")
    for rate, done in runs.items():
        latency = stats.estimate(stats.ratios([one.proxied_ms for one in done], [one.direct_ms for one in done]))
        cpu = stats.estimate([one.proxy_cpu_us for one in done])
        share = stats.estimate(
            stats.ratios([one.proxy_cpu_us for one in done], [one.subscriber_cpu_us for one in done])
        )
        missing = sum(one.missing for one in done)
        console.print(
            f"{rate:g}/s: latency, proxied to direct: {latency}; CPU: {cpu} µs a message, {share} of a subscriber's; "
            f"{missing} missing"
        )
    host = machine.describe()
    print_machine(host, console)
    content = {
        "benchmark": "fleet-proxy",
        "commit": machine.commit(REPOSITORY),
        "machine": host,
        "plan": {"seconds": options.seconds},
        "runs": [asdict(one) | {"rate": rate} for rate, done in runs.items() for one in done],
    }
    write_json(options.json, content)
    return 0


def run(rate: float, seconds: float) -> ProxyRun:
    """Measure once. Raises `RunFailedError` if a process ends, or nothing arrives."""
    person = msgspec.json.encode(PERSON).decode()
    with _process("-c", PUBLISHER, str(rate), person, stdout=subprocess.PIPE) as publisher:
        assert publisher.stdout is not None
        directory, engine = publisher.stdout.readline().decode().split()
        fleet = directory.replace("tcp://", "fleet://")
        command = (str(REPOSITORY / "run_stream.py"), "fleet", "proxy", fleet, "--bind", "tcp://127.0.0.1:0")
        with _process("-c", READER, fleet) as subscriber, _process(*command, stderr=subprocess.PIPE) as proxy:
            return _measured(subscriber.pid, engine, proxy.pid, _endpoint(proxy), seconds)


def _measured(subscriber: int, engine: str, proxy: int, proxied: str, seconds: float) -> ProxyRun:
    decode = msgspec.json.Decoder(_Result).decode
    seen: dict[str, dict[tuple[str, int], float]] = {engine: {}, proxied: {}}
    with zmq.Context[zmq.Socket[bytes]]() as context:
        poller, names = zmq.Poller(), dict[zmq.Socket[bytes], str]()
        for address in seen:
            reader = context.socket(zmq.SUB)
            reader.setsockopt(zmq.LINGER, 0)
            reader.setsockopt(zmq.RCVHWM, 0)
            reader.subscribe(b"results/v1/")
            reader.connect(address)
            poller.register(reader, zmq.POLLIN)
            names[reader] = address

        def read(until: float) -> None:
            while time.monotonic() < until or not all(map(len, seen.values())):
                ready = poller.poll(SILENT_MS)
                if not ready:
                    raise RunFailedError("nothing arrives")
                for socket, _ in ready:
                    _, body = socket.recv_multipart()
                    result = decode(body)
                    seen[names[socket]][result.camera, result.seq] = time.time_ns() / 1e6 - result.published_us / 1e3

        try:
            while min(map(len, seen.values())) < WARM_UP:
                read(time.monotonic() + 0.1)
            for found in seen.values():
                found.clear()
            began, cpu = time.monotonic(), [machine.process_cpu_seconds(pid) for pid in (subscriber, proxy)]
            read(began + seconds)
            took = time.monotonic() - began
            used = [machine.process_cpu_seconds(pid) - at for pid, at in zip((subscriber, proxy), cpu, strict=True)]
        finally:
            for reader in names:
                reader.close()
    direct, through = seen[engine], seen[proxied]
    last = {camera: max(seq for name, seq in through if name == camera) for camera, _ in through}
    first = {camera: min(seq for name, seq in through if name == camera) for camera, _ in through}
    missing = [key for key in direct if first[key[0]] <= key[1] <= last[key[0]] and key not in through]
    count = len(direct)
    return ProxyRun(
        count / took,
        stats.median(list(direct.values())),
        stats.median(list(through.values())),
        used[0] / count * 1e6,
        used[1] / count * 1e6,
        _rss_mib(proxy),
        len(missing),
    )


def _endpoint(proxy: subprocess.Popen[bytes]) -> str:
    assert proxy.stderr is not None
    for line in proxy.stderr:
        if found := re.search(r"is published at (\S+)", line.decode()):
            return found[1]
    raise RunFailedError("the proxy did not start")


def _rss_mib(pid: int) -> float:
    page = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+)", page, re.MULTILINE)[0]) / 1024


@contextmanager
def _process(*arguments: str, **pipes: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, *arguments], env=environment, **pipes) as process:  # pyright: ignore
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
