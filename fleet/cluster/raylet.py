"""Start Ray on this node, so that nothing else ends when Ray ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from fleet.agent.detached_process import DetachedProcess, RunningProcess
from fleet.agent.node import JSON_LOGS_VARIABLE
from fleet.agent.program import keeping, without_ray
from fleet.cluster import leftovers
from fleet.cluster.autoscaling import ENGINE_RESOURCE
from fleet.cluster.settings import ClusterSettings

KILLED_WITHIN_S = 10.0
"""After SIGKILL. On a machine without free cores, a process with a low priority takes seconds to end."""
NODE_RESOURCE = "partstream_node_"
"""Followed by the node's name: what the node's agent requires, so that it is nowhere else."""
HEAD_RESOURCE = "partstream_head"
NAMESPACE = "partstream"
CONFIG_VARIABLE, NODE_VARIABLE = "PARTSTREAM_FLEET_CONFIG", "PARTSTREAM_FLEET_NODE"
DIRECTORY_VARIABLE = "PARTSTREAM_FLEET_DIRECTORY"
"""The configuration and the name of the node, and where `fleet up` was run, for the actors on it."""
OF_THE_AUTOSCALER = ("RAY_CLOUD_INSTANCE_ID", "RAY_NODE_TYPE_NAME", "RAY_enable_autoscaler_v2")
"""Variables by which Ray's autoscaler recognises a node that it has started."""


TLS_SWITCH = "RAY_USE_TLS"
TLS_FILES = ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")


def ray_environment(token_file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which Ray is started and reached. Those for TLS are taken from `environment`.

    Relative paths in it are meant from here.
    """
    tls = {name: str(Path(environment[name]).resolve()) for name in TLS_FILES if environment.get(name)}
    if TLS_SWITCH in environment:
        tls[TLS_SWITCH] = environment[TLS_SWITCH]
    return tls | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file.resolve()),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Otherwise Ray ends workers when the machine's memory is nearly full, as it may be by an engine's intent.
        "RAY_memory_monitor_refresh_ms": "0",
        # An engine is started by an agent and must outlive it.
        "RAY_kill_child_processes_on_worker_exit": "0",
        "RAY_process_group_cleanup_enabled": "0",
        # An engine has the priority of the agent that starts it, if that may not restore a higher one.
        "RAY_worker_niceness": "0",
        # A node cannot rejoin a head that was started again, and neither its engine nor its cameras suffer from a new
        # start of Ray.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
        # Ray's own workers would otherwise be started in advance.
        "RAY_enable_worker_prestart": "0",
        "RAY_prestart_worker_first_driver": "0",
        "RAY_CLIENT_MODE": "0",
        # Ray otherwise hides the GPUs from actors that ask for none.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


class Raylet(DetachedProcess):
    """`ray start --block`, and the processes that it starts in its session."""

    def adopt(self) -> RunningProcess | None:
        """Return Ray if it runs as it is to run. If it runs in another way, for example with another head, end it."""
        running = self.found()
        if running is None or running.command == self.command:
            return running
        running.kill(KILLED_WITHIN_S)
        running.leave()
        return None

    def start(self, run: str, further: Mapping[str, str] | None = None) -> RunningProcess:
        """Start Ray, after what is left of its last run was ended: that still has the ports."""
        self.end_leftovers()
        return super().start(run, further)

    def end_leftovers(self) -> None:
        """Kill what is left of the last run, which has ended."""
        if (last := self.last()) is not None:
            leftovers.kill(last.pid, last.started)


def head_address(settings: ClusterSettings, head: str) -> str:
    """Return where the GCS of this head is, `host:port`."""
    return f"[{head}]:{settings.head_port}" if ":" in head else f"{head}:{settings.head_port}"


def raylet(
    settings: ClusterSettings, node: str, config: Path, environment: Mapping[str, str], head: str | None
) -> Raylet:
    """Return the process that runs Ray on this node. It joins the cluster at the host `head`; None: it is the head."""
    is_head = head is None
    resources = {f"{NODE_RESOURCE}{node}": 1, ENGINE_RESOURCE: 1} | ({HEAD_RESOURCE: 1} if is_head else {})
    options: dict[str, object] = dict(settings.ports(head=is_head))
    options |= {
        "node-name": node,
        "object-store-memory": settings.object_store_mb * 1_000_000,
        "num-cpus": settings.cpus,
        "num-gpus": settings.gpus,
        "resources": json.dumps(resources),
        "include-log-monitor": "false",
    }
    if settings.temp_directory is not None:
        options["temp-dir"] = settings.temp_directory.expanduser().absolute()
    if settings.address is not None:
        options["node-ip-address"] = settings.address
    if head is not None:
        options["address"] = head_address(settings, head)
    else:
        options["include-dashboard"] = "false"
        if settings.autoscaling.config is not None:
            options["autoscaling-config"] = settings.autoscaling.config.expanduser().resolve()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    command += ["--head"] if is_head else []
    command += ["--no-monitor"] if is_head and not settings.runs_monitor else []
    command += [f"--{name}={value}" for name, value in options.items()]
    variables = {CONFIG_VARIABLE: str(config.resolve()), NODE_VARIABLE: node, DIRECTORY_VARIABLE: str(Path.cwd())}
    return Raylet(
        "ray",
        command,
        settings.state_directory,
        environment=without_ray(environment)
        | keeping(environment)
        | ray_environment(settings.token_file, environment)
        | settings.metric_ports()
        | {name: environment[name] for name in (*OF_THE_AUTOSCALER, JSON_LOGS_VARIABLE) if name in environment}
        | variables,
        background=True,
        title="Ray",
    )
