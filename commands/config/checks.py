"""What is wrong with an engine's configuration beyond its form: on any machine, and on this one with its files."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.settings import ModelSettings
    from stream.config import Config
    from stream.settings.engine import CameraConfig
    from stream.settings.network import HttpConfig
    from stream.settings.recording import IncidentsConfig, RecordingConfig


DEVICE = re.compile(r"auto|(cpu|cuda)(:[0-9]{1,3})?")


def problems(settings: Config) -> list[str]:
    """Return what would keep the engine from starting on this machine, and cameras that would end, by setting."""
    found = list(anywhere(settings))
    told = {problem.partition(":")[0] for problem in found}
    return [*found, *(problem for problem in here(settings) if problem.partition(":")[0] not in told)]


def anywhere(settings: Config) -> Iterator[str]:
    """Yield what is wrong on every machine, each with its setting. Reads no files."""
    from stream.http.server.auth import check_tokens
    from stream.http.server.bind_address import resolve
    from stream.messaging.endpoints import check_reach
    from stream.settings.config_error import ConfigError

    yield from addresses(settings.cameras)
    model, publish, bind = settings.model, settings.publish, settings.http.bind
    if not DEVICE.fullmatch(model.device):
        yield f"model.device: {model.device!r} is not auto, cpu, cuda or cuda:N"
    if model.profile != "free" and model.precision == "float16" and model.device.startswith("cpu"):
        yield "model.precision: float16 needs a CUDA device; use float32 or bfloat16"
    try:
        if bind is not None and _is_literal(bind):
            check_tokens(settings.http, resolve(bind))
    except ConfigError as error:
        yield str(error)
    if publish.curve_secret_key_file is not None or publish.allow_plaintext:
        return
    for name in ("endpoint", "replay"):
        address = getattr(publish, name).replace("//*:", "//0.0.0.0:")
        try:
            if address.startswith("tcp://") and _is_literal(address.removeprefix("tcp://")):
                check_reach(address, f"publish.{name}", allow_plaintext=False)
        except ConfigError as error:
            yield str(error)


def here(settings: Config) -> Iterator[str]:
    """Yield what is wrong on this machine: with its files, its devices, its memory and its network."""
    from commands.config import this_machine
    from stream.inference import memory_budget
    from stream.settings.config_error import ConfigError

    access = list(_access(settings.http))
    yield from access
    try:
        settings = this_machine.with_kept_cameras(settings)
        memory_budget.check(settings, memory_budget.total_bytes())
    except ConfigError as error:
        yield str(error)
    yield from backgrounds(settings.cameras)
    wrong = list(_model(settings.model))
    yield from wrong
    profile = "free" if wrong else settings.model.profile
    if settings.rules_file is not None:
        yield from _rules(settings.rules_file, profile)
    yield from _actions(settings, profile)
    yield from this_machine.unwritable(settings)
    yield from _packages(settings)
    yield from this_machine.unstartable(settings, http=not access)


def addresses(cameras: Iterable[CameraConfig]) -> Iterator[str]:
    """Yield which addresses no engine can open. Their cameras would end at once."""
    from stream.sources.addresses import check_address
    from stream.sources.errors import SourceError

    for camera in cameras:
        try:
            check_address(camera)
        except SourceError as error:
            yield f"camera {camera.id}: source: {error.what}. {error.remedy}"


def backgrounds(cameras: Iterable[CameraConfig]) -> Iterator[str]:
    """Yield which backgrounds cannot be used. The engine would show grey instead."""
    from stream.privacy.background import Background

    for camera in cameras:
        if (problem := Background(camera.background).problem) is not None:
            yield f"camera {camera.id}: background: {problem}"


def _is_literal(address: str) -> bool:
    """Return whether the host of `host:port` is an IP address, which means the same on every machine."""
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _access(config: HttpConfig) -> Iterator[str]:
    from stream.http.server.audit import Audit
    from stream.http.server.auth import check_tokens
    from stream.http.server.bind_address import resolve
    from stream.settings.config_error import ConfigError
    from stream.settings.tokens import load_tokens

    if config.bind is None:
        return
    try:
        check_tokens(config, resolve(config.bind))
    except ConfigError as error:
        yield str(error)
    try:
        if config.tokens_file is not None:
            load_tokens(config.tokens_file)
    except ConfigError as error:
        yield f"http.tokens_file: {error}"
    try:
        Audit(config.audit_file)
    except ConfigError as error:
        yield str(error)


def _model(settings: ModelSettings) -> Iterator[str]:
    """Check the checkpoint and, where torch has to be imported for it only if they are set, device and runtime."""
    from stages.packaged_checkpoints import summary
    from stages.third_party.weights import WeightsError
    from stream.inference.model_loading import check_model_files

    if settings.profile == "free":
        return
    try:
        summary(settings.profile)
        check_model_files(settings)
    except WeightsError as error:
        yield f"model.profile: {error}"
    if not DEVICE.fullmatch(settings.device):
        return
    if settings.device.startswith("cuda") or settings.precision == "float16" or settings.runtime != "auto":
        from stages.profiles import check_computation
        from stream.rules_file import stored_names

        try:
            check_computation(settings, stored_names(settings.profile).objects is None)
        except WeightsError:
            return  # told before
        except ValueError as error:
            yield str(error)


def _actions(settings: Config, profile: str) -> Iterator[str]:
    """Check the actions that are recorded and kept, with the names that the profile's checkpoint and the rules know."""
    from stages.third_party.weights import WeightsError
    from stream.recording.configured_names import check_actions
    from stream.rules_file import load_rules, stored_names
    from stream.settings.config_error import ConfigError

    try:
        written = list(load_rules(settings.rules_file).actions) if settings.rules_file is not None else []
        known = stored_names(profile).vocabulary.actions if profile != "free" else ()
    except (ConfigError, WeightsError):
        return  # told before
    sections: dict[str, RecordingConfig | IncidentsConfig] = {
        "recording": settings.recording,
        "incidents": settings.incidents,
    }
    for name, section in sections.items():
        try:
            check_actions(section, known, written, name)
        except ConfigError as error:
            yield str(error)


def _rules(file: Path, profile: str) -> Iterator[str]:
    """Check a rules file, with the names that the profile's checkpoint knows."""
    from stages.third_party.weights import WeightsError
    from stream.rules_file import check_names, load_rules, stored_names
    from stream.settings.config_error import ConfigError

    try:
        rules = load_rules(file)
        if profile != "free":
            check_names(rules, stored_names(profile), str(file))
    except (ConfigError, WeightsError) as error:
        yield f"rules_file: {error}"


def _packages(settings: Config) -> Iterator[str]:
    """Check what tracing needs."""
    from telemetry.tracing import span_export

    if settings.tracing.sample_ratio > 0:
        try:
            span_export.check_installed()
        except span_export.TracingUnavailableError as error:
            yield f"tracing.sample_ratio: {error}"
