"""The cameras of a chaos run: a server each, behind a bad network, and what the engine should have of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from support.chaos.pacing import within
from support.chaos.processes import Program
from support.chaos.relay import TcpRelay
from support.ports import reserved_port
from support.rtp.udp_relay import Impairments, UdpRelay
from support.rtsp_servers.server_process import listens

ZONES = {"hall": {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}
STARTS_WITHIN_S = 300.0
RECONNECT_MAX_S, START_TIMEOUT_S, STALL_TIMEOUT_S = 2.0, 20.0, 8.0


class ChaosCamera:
    """A camera: `program` is its server, `wanted` whether the engine should have it, `settings` how."""

    def __init__(self, name: str, folder: Path, fps: int, seed: int, *, udp: bool) -> None:
        self.name = name
        self.wanted = True
        self.sends = True
        """Whether its pictures reach the engine, as far as the harness knows."""
        self.troubled = False
        self._started = False
        self.udp = udp
        port = reserved_port()
        arguments = ["-m", "support.chaos.programs.camera_process", str(port), str(fps), str(seed)]
        self.program = Program(name, arguments, folder / f"{name}.log", commands=True)
        self.port = port
        self.relay: TcpRelay | UdpRelay
        if udp:
            self.relay = UdpRelay(port, seed=seed)
        else:
            self.relay = TcpRelay(port, reserved_port(), seed)

    async def start(self) -> None:
        """Start the server and the network."""
        self.program.start()
        self._started = True
        if isinstance(self.relay, UdpRelay):
            self.relay.__enter__()
        else:
            await self.relay.start()
        if await within(STARTS_WITHIN_S, lambda: listens(self.port)) is None:
            raise RuntimeError(f"{self.name} does not serve: {self.program.log.read_text()[-2000:]}")

    async def stop(self) -> None:
        """Stop the server and the network."""
        if not self._started:
            return
        if isinstance(self.relay, UdpRelay):
            self.relay.__exit__(None, None, None)
        else:
            await self.relay.stop()
        self.program.kill()

    @property
    def settings(self) -> dict[str, Any]:
        """What is sent to the control API, without the id."""
        return {
            "source": f"rtsp://127.0.0.1:{self.relay.port}/cam",
            "lower_transport": "udp" if self.udp else "tcp",
            "zones": ZONES,
            "reconnect_max_s": RECONNECT_MAX_S,
            "start_timeout_s": START_TIMEOUT_S,
            "stall_timeout_s": STALL_TIMEOUT_S,
            "ring_slots": 8,
        }

    def worsen(self, amount: float) -> None:
        """Let the network lose, swap and double packets."""
        self.relay.impairments = Impairments(drop=0.01 + 0.2 * amount**2, swap=0.1 * amount, double=0.1 * amount)

    def repair(self) -> None:
        """Let the network lose nothing."""
        self.relay.impairments = Impairments()
        if isinstance(self.relay, TcpRelay):
            self.relay.refuses = False

    def cut(self) -> None:
        """Cut the network."""
        if isinstance(self.relay, TcpRelay):
            self.relay.refuses = True
            self.relay.cut()
        else:
            self.relay.impairments = Impairments(drop=1.0)

    def write_garbage(self, rng: random.Random) -> None:
        """Send nonsense to the engine."""
        if isinstance(self.relay, TcpRelay):
            self.relay.write_garbage(rng.randrange(1, 5000))
        else:
            self.relay.impairments = Impairments(drop=0.9, swap=0.05, double=0.05)


class State(NamedTuple):
    """Of a camera, as the engine says."""

    state: str
    processed: int


def states_of(cameras: Sequence[Any]) -> dict[str, State]:
    """Return the states in the engine's status, by id."""
    return {one["id"]: State(one["status"]["state"], one["status"]["processed"]) for one in cameras}
