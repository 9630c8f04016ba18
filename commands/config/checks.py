"""What is wrong with the files that an engine's configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.config import Config
    from stream.settings.engine import CameraConfig
    from stream.settings.network import HttpConfig


def problems(settings: Config) -> Iterator[str]:
    """Yield what is wrong, each with its setting: tokens, the place of the audit file, cameras, and rules."""
    yield from _access(settings.http)
    yield from patterns(settings.cameras)
    yield from backgrounds(settings.cameras)
    if settings.rules_file is not None:
        yield from _rules(settings.rules_file, settings.model.profile)


def patterns(cameras: Iterable[CameraConfig]) -> Iterator[str]:
    """Yield which addresses of test patterns are wrong. Their cameras would end at once."""
    from stream.settings.source_kinds import kind_of

    for camera in cameras:
        if kind_of(camera.source) == "pattern":
            from stream.sources.errors import BadAddressError
            from stream.sources.pattern import parse_pattern

            try:
                parse_pattern(camera.id, camera.source)
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
    from stream.settings.access.tokens import load_tokens
    from stream.settings.config_error import ConfigError

    if config.bind is None:
        return
    try:
        if config.tokens_file is not None:
            load_tokens(config.tokens_file)
    except ConfigError as error:
        yield f"http.tokens_file: {error}"
    try:
        Audit(config.audit_file)
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
