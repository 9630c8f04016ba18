"""All checks of one configuration, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from commands.cameras.opening import openers
from commands.console.amounts import counted
from commands.doctor import cameras, clock, disk, installation, model_files, names, ports, self_test
from commands.doctor.bounded import Check, RunningCheck, run, within
from commands.doctor.finding import Finding, fault, ok, warning
from stream.cameras.state_file import CameraStateFile
from stream.config import Config, with_cameras
from stream.inference import memory_budget
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig
from stream.sources.reader import secrets_of

QUICK_S, MODEL_S = 10.0, 90.0
"""Limits of checks that only look at this machine, and of those that import torch and read weights."""
MIN_SECRET_LENGTH = 4
"""Shorter ones are not hidden: hiding them in every word that contains them would reveal them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which optional checks to run, and what to compare this machine's clock with."""

    time_from: str | None = None
    open_cameras: bool = True
    self_test: bool = True


def examine(config: Config, wanted: Wanted) -> Iterator[Finding]:
    """Yield each finding as it comes, in bounded time, without the configuration's secrets."""
    hangs = fault("configuration", f"state_file: reading {config.state_file} took too long", "Check its disk")
    config, state = within(QUICK_S, partial(_with_kept_cameras, config), (config, hangs))
    secrets = _secrets(config)
    for findings in _rounds(config, state, wanted):
        for finding in findings:
            yield finding.without(secrets)


def _rounds(config: Config, state: Finding, wanted: Wanted) -> Iterator[Sequence[Finding]]:
    yield run(Check("versions", QUICK_S, installation.versions))
    yield run(Check("decoders", QUICK_S, partial(installation.decoders, config.cameras)))
    device = run(Check("device", MODEL_S, partial(model_files.device, config.model)))
    yield device
    weights = run(Check("weights", MODEL_S, partial(model_files.model_weights, config.model)))
    yield weights
    yield [state]
    yield run(Check("names", QUICK_S, partial(names.names, config)))
    yield run(Check("memory", QUICK_S, partial(_memory, config)))
    yield run(Check("publish keys", QUICK_S, partial(ports.encryption, config.publish)))
    for name, check in _ports(config):
        yield run(Check(name, QUICK_S, check))
    for name, check in _folders(config):
        yield run(Check(name, QUICK_S, check))
    yield run(Check("clock", QUICK_S, partial(clock.own_clock, wanted.time_from)))
    if wanted.open_cameras:
        yield from _cameras(config)
    if not wanted.self_test:
        return
    if any(finding.level == "fault" for finding in (*device, *weights)):
        yield [warning(self_test.CHECK, "not run: the model cannot be loaded", "Correct the faults above first")]
    else:
        yield run(Check(self_test.CHECK, self_test.LIMIT_S, partial(self_test.run, config)))


def _ports(config: Config) -> Iterator[tuple[str, Callable[[], Finding]]]:
    engine = within(QUICK_S, partial(ports.engine_at, config.http), None)
    publish = config.publish
    yield "publish.endpoint", partial(ports.zeromq, "publish.endpoint", publish.endpoint, publish, engine)
    others = {"publish.endpoint": publish.endpoint}
    yield "publish.replay", partial(ports.zeromq, "publish.replay", publish.replay, publish, engine, others)
    others = {**others, "publish.replay": publish.replay}
    yield "http.bind", partial(ports.http_server, config.http, engine, others)


def _folders(config: Config) -> Iterator[tuple[str, Callable[[], Finding]]]:
    yield "recording.directory", partial(disk.recording, config.recording)
    if config.incidents.directory is not None:
        yield "incidents.directory", partial(disk.folder, "incidents.directory", config.incidents.directory)
    yield "weights cache", disk.cache
    for field, file in (
        ("results", config.results),
        ("state_file", config.state_file),
        ("alerts_file", config.alerts_file),
        ("http.audit_file", config.http.audit_file),
    ):
        if isinstance(file, Path):
            yield f"folder of {field}", partial(disk.folder, f"folder of {field}", file.parent)


def _cameras(config: Config) -> Iterator[Sequence[Finding]]:
    """Open all cameras at the same time, as the engine does; then compare their clocks."""
    behind_s: dict[str, float] = {}
    with openers(config.webrtc) as make_opener:

        def examine(camera: CameraConfig) -> Finding:
            seen = cameras.examine(camera, make_opener)
            if seen.clock_behind_s is not None:
                behind_s[camera.id] = seen.clock_behind_s
            return seen.finding

        checks = [
            RunningCheck(Check(f"camera {camera.id}", cameras.LIMIT_S, partial(examine, camera)))
            for camera in config.cameras
        ]
        for running in checks:
            yield running.findings()
        yield clock.camera_clocks(dict(behind_s))


def _with_kept_cameras(config: Config) -> tuple[Config, Finding]:
    """Return the configuration with the cameras that an engine would start with: those of the state file, if any."""
    if config.state_file is None:
        return config, ok("configuration", f"valid, {counted(len(config.cameras), 'camera')}")
    try:
        kept = CameraStateFile(config.state_file, config.cameras).load()
        config = with_cameras(config, kept, f"state_file: {config.state_file}")
    except ConfigError as error:
        return config, fault("configuration", str(error), "Correct the state file, or delete it")
    return config, ok("configuration", f"valid, {counted(len(config.cameras), 'camera')} (from {config.state_file})")


def _memory(config: Config) -> Finding:
    available = memory_budget.available_bytes()
    try:
        memory_budget.check(config, available)
    except ConfigError as error:
        seen, _, remedy = str(error).rpartition(": ")
        return fault("memory", seen, remedy[:1].upper() + remedy[1:])
    if available is None:
        return ok("memory", "the system does not report how much is available")
    return ok("memory", f"{available >> 20} MiB are available, enough for this configuration")


def _secrets(config: Config) -> list[str]:
    """Return the secrets of this configuration, the longest first."""
    found = [secret for camera in config.cameras for secret, _ in secrets_of(camera.source)]
    tokens = [config.http.read_token, config.http.control_token]
    tokens += [server.credential for server in config.webrtc.ice_servers]
    found += [token.get_secret_value() for token in tokens if isinstance(token, SecretStr)]
    return sorted((secret for secret in set(found) if len(secret) >= MIN_SECRET_LENGTH), key=len, reverse=True)
