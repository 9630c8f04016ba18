"""Which addresses of a fleet's configuration exclude each other on one machine: coordinator, engines and Ray."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fleet.cluster.settings import FIRST_WORKER_PORT
from fleet.settings import FleetConfig
from stream.config import Config

ANY_HOST = frozenset({"*", "0.0.0.0", "::"})
_ADDRESS = re.compile(r"(?:tcp://)?(.+):([0-9]+)")


@dataclass(frozen=True, slots=True)
class Socket:
    """An address that the coordinator is bound to or, if it is named, an engine."""

    setting: str
    address: str
    engine: str | None = None

    @property
    def name(self) -> str:
        """The setting, as errors begin with it."""
        return self.setting if self.engine is None else f"engine {self.engine}: {self.setting}"

    def __str__(self) -> str:
        owner = "" if self.engine is None else f" of the engine {self.engine}"
        return f"{self.setting}{owner} ({self.address})"

    @property
    def place(self) -> tuple[str, int] | None:
        """Host and port; None for a path, and for port 0, which is any free one."""
        found = _ADDRESS.fullmatch(self.address)
        if found is None or int(found[2]) == 0:
            return None
        host = found[1].removeprefix("[").removesuffix("]").lower()
        return ("127.0.0.1" if host == "localhost" else host), int(found[2])

    def excludes(self, other: Socket) -> bool:
        """Return whether both cannot be bound at once."""
        own, others = self.place, other.place
        if own is None or others is None:
            return self.address == other.address and self.address.startswith("ipc://")
        same_host = own[0] == others[0] or not ANY_HOST.isdisjoint((own[0], others[0]))
        return own[1] == others[1] and same_host


def problems(config: FleetConfig, node: str, *, is_head: bool) -> dict[str, str]:
    """Return which addresses are used twice on one machine, by setting: of this node, and of the others that are known.

    `is_head`: this node has the coordinator.
    """
    found: dict[str, str] = {}
    for name in (node, *sorted(config.nodes.keys() - {node})):
        sockets = list(_sockets(config, name, has_coordinator=is_head and name == node))
        for index, one in enumerate(sockets):
            other = next((earlier for earlier in sockets[:index] if earlier.excludes(one)), None)
            if other is not None:
                found[one.name] = f"{one.address} is taken by {other}: choose another address"
            elif (problem := _of_ray(config, one)) is not None:
                found[one.name] = problem
    return found


def _sockets(config: FleetConfig, node: str, *, has_coordinator: bool) -> Iterator[Socket]:
    if has_coordinator:
        own = config.coordinator
        yield Socket("coordinator.bind", own.bind)
        yield Socket("coordinator.directory", own.directory)
        yield Socket("coordinator.replay", own.replay)
        if own.http.bind is not None:
            yield Socket("coordinator.http.bind", own.http.bind)
    for name, settings in config.engines_of(node).items():
        engine = Config.model_validate(settings)
        yield Socket("publish.endpoint", engine.publish.endpoint, name)
        yield Socket("publish.replay", engine.publish.replay, name)
        if engine.http.bind is not None:
            yield Socket("http.bind", engine.http.bind, name)


def _of_ray(config: FleetConfig, socket: Socket) -> str | None:
    """Return why Ray needs this socket's port. It listens on all interfaces."""
    cluster = config.cluster
    first, last = cluster.first_port, cluster.first_port + FIRST_WORKER_PORT + cluster.worker_ports - 1
    if socket.place is None or not first <= socket.place[1] <= last:
        return None
    return (
        f"{socket.address} has a port of Ray, which has {first} to {last} here (cluster.first_port, "
        "cluster.worker_ports): choose another port"
    )
