"""Settings of the Ray cluster that a fleet runs on."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from stages.settings import LEAST, Section

FIXED_PORTS = (
    "port",
    "node-manager-port",
    "object-manager-port",
    "runtime-env-agent-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "metrics-export-port",
    "ray-client-server-port",
    "dashboard-port",
)
"""Options of `ray start`, in the order of the ports they get."""
OF_THE_HEAD = frozenset({"port", "ray-client-server-port", "dashboard-port"})
METRIC_PORTS = ("AUTOSCALER_METRIC_PORT", "DASHBOARD_METRIC_PORT")
"""Variables with the ports after these, on the head."""
FIRST_WORKER_PORT = 12
"""Of a node's ports; those before are fixed, with one to spare."""

LONGEST_TEMP_DIRECTORY = 45
REPLACED_BY_RAY = ("127.0.0.1", "localhost", "::1")
"""Addresses that `ray start` does not take as a node's own."""


class AutoscalingSettings(Section):
    """Nodes that Ray's autoscaler starts while cameras find no room."""

    max_nodes: int = Field(
        0, ge=0, le=4096, description="Most nodes with engines, those that are there included. 0: none is asked for."
    )
    node_mpx: float | None = Field(
        None,
        ge=LEAST,
        le=1e6,
        description="Megapixels per second that placing can use of a new node. Unset: as of those that are there.",
    )
    config: Path | None = Field(
        None,
        description="Ray's cluster file on the head, with which Ray starts its autoscaler there. Unset: it is started "
        "in another way, for example by KubeRay.",
    )
    after_s: float = Field(30.0, ge=0, le=3600, description="How long cameras find no room before nodes are asked for.")
    keep_s: float = Field(
        120.0, ge=0, le=86_400, description="How long nodes are asked for after the cameras have found room."
    )


class ClusterSettings(Section):
    """Ray on this machine. All nodes need the same token and must reach each other's ports."""

    state_directory: Path = Field(
        Path("fleet"),
        description="Directory on a local disk for locks, logs and the engines' configurations. Only its owner can "
        "read it.",
    )
    token_file: Path = Field(
        Path("fleet/token"),
        description="File of Ray's token, readable only by its owner. The head creates it; copy it to the other "
        "nodes. It lets its owner run any program on every node.",
    )
    temp_directory: Path | None = Field(
        None,
        description="Directory for Ray's sockets and logs, on a local disk; a path of at most 45 characters. Unset: "
        "`/tmp/ray`. Nodes on one machine need one each, or they may fail to start at the same time.",
    )
    address: str | None = Field(
        None,
        description="This machine's IP address, which the other nodes reach. Unset: found by Ray, which also replaces "
        "127.0.0.1.",
    )
    first_port: int = Field(
        6379,
        ge=1024,
        le=65000,
        description="First of this node's ports for Ray. It uses 12 + `worker_ports` ports; most are open on all "
        "interfaces.",
    )
    worker_ports: int = Field(20, ge=10, le=500, description="Ports for Ray's workers on this node.")
    head_port: int = Field(
        6379, ge=1024, le=65535, description="The head's `first_port`, to which the other nodes connect."
    )
    object_store_mb: int = Field(
        80, ge=78, le=1_000_000, description="Memory for Ray's objects. A fleet puts hardly anything into it."
    )
    monitor: bool = Field(
        True,
        description="Whether the head runs Ray's own autoscaler if `autoscaling` is used. Set it to false where "
        "KubeRay's runs in its place.",
    )
    cpus: int = Field(
        1, ge=0, le=4096, description="CPUs that Ray may give to other work. Agents and coordinator need none."
    )
    gpus: int = Field(0, ge=0, le=1024, description="GPUs that Ray may give to other work. The engine has its own.")

    autoscaling: AutoscalingSettings = Field(default_factory=AutoscalingSettings)  # pyright: ignore[reportArgumentType]

    @field_validator("temp_directory")
    @classmethod
    def _leaves_room_for_sockets(cls, value: Path | None) -> Path | None:
        """Ray adds up to 62 characters, and the path of a socket has at most 107."""
        if value is not None and len(str(value.expanduser().absolute())) > LONGEST_TEMP_DIRECTORY:
            raise ValueError(f"{value.expanduser().absolute()} has more than {LONGEST_TEMP_DIRECTORY} characters")
        return value

    @field_validator("address")
    @classmethod
    def _is_used_by_ray(cls, value: str | None) -> str | None:
        if value in REPLACED_BY_RAY:
            raise ValueError(
                f"Ray replaces {value} with another address of this machine. Leave it unset, or use 127.0.0.2 if all "
                "nodes are on this machine"
            )
        return value

    @property
    def runs_monitor(self) -> bool:
        """Whether Ray's own autoscaler is started on the head."""
        return self.monitor and (self.autoscaling.max_nodes > 0 or self.autoscaling.config is not None)

    def ports(self, *, head: bool) -> dict[str, int]:
        """Return the port of each option of `ray start` on a node."""
        fixed = {
            option: self.first_port + index
            for index, option in enumerate(FIXED_PORTS)
            if head or option not in OF_THE_HEAD
        }
        first = self.first_port + FIRST_WORKER_PORT
        return fixed | {"min-worker-port": first, "max-worker-port": first + self.worker_ports - 1}

    def fixed_ports(self, *, head: bool) -> list[int]:
        """Return the ports that Ray has on a node, without those of workers, for which it takes free ones."""
        options = (port for option, port in self.ports(head=head).items() if "worker" not in option)
        return [*options, *(map(int, self.metric_ports().values()) if head else ())]

    def metric_ports(self) -> dict[str, str]:
        """Return the variables with the ports of Ray's own metrics."""
        first = self.first_port + len(FIXED_PORTS)
        return {variable: str(first + index) for index, variable in enumerate(METRIC_PORTS)}
