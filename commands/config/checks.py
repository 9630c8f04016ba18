"""What is wrong with the files that an engine's configuration names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.settings import ModelSettings
    from stream.config import Config
    from stream.settings.engine import CameraConfig
    from stream.settings.network import HttpConfig


DEVICE = re.compile(r"auto|(cpu|cuda)(:\d{1,3})?")


def problems(settings: Config) -> Iterator[str]:
    """Yield what is wrong, each with its setting: tokens, the place of the audit file, cameras, model and rules."""
    yield from _access(settings.http)
    yield from addresses(settings.cameras)
    yield from backgrounds(settings.cameras)
    wrong = list(_model(settings.model))
    yield from wrong
    if settings.rules_file is not None:
        yield from _rules(settings.rules_file, "free" if wrong else settings.model.profile)


def addresses(cameras: Iterable[CameraConfig]) -> Iterator[str]:
    """Yield which addresses no engine can open. Their cameras would end at once."""
    from stream.sources.addresses import check_address
    from stream.sources.errors import BadAddressError

    for camera in cameras:
        try:
            check_address(camera)
        except BadAddressError as error:
            yield f"camera {camera.id}: source: {error.what}. {error.remedy}"


def backgrounds(cameras: Iterable[CameraConfig]) -> Iterator[str]:
    """Yield which backgrounds cannot be used. The engine would show grey instead."""
    from stream.privacy.background import Background

    for camera in cameras:
        if (problem := Background(camera.background).problem) is not None:
            yield f"camera {camera.id}: background: {problem}"


def _access(config: HttpConfig) -> Iterator[str]:
    from stream.http.server.access_control.audit import Audit
    from stream.http.server.access_control.needed_tokens import check_tokens
    from stream.http.server.bind_address import resolve
    from stream.settings.access.tokens import load_tokens
    from stream.settings.config_error import ConfigError

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
    """Check the checkpoint, and how the device is written. Whether the device is there, the engine finds out."""
    from stages.packaged_checkpoints import summary
    from stages.third_party.weights import WeightsError

    if settings.profile != "free":
        try:
            summary(settings.profile)
        except WeightsError as error:
            yield f"model.profile: {error}"
    if not DEVICE.fullmatch(settings.device):
        yield f"model.device: {settings.device!r} is not auto, cpu, cuda or cuda:N"


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
