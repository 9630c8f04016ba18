"""The rules in force: those of the rules file, which is read again when it changes, unless it has an error."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from stream.results import about
from stream.rules.compiled import CompiledRules
from stream.rules_file import CheckpointNames, Places, check_names, load_rules, place_warnings, stored_names
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
"""Interval at which the file is looked at. A change applies after one to two of them."""


class RulesView(msgspec.Struct, frozen=True):
    """The rules in force, as JSON."""

    file: Annotated[str | None, about("The rules file; null without one.")]
    loaded_us: Annotated[int | None, about("When these rules were read, microseconds since 1970, UTC.")]
    error: Annotated[str | None, about("Why the file as it is now is not in force; null if it is.")]
    warnings: Annotated[list[str], about("Cameras, zones and lines of rules that the engine does not have.")]
    actions: Annotated[list[str], about("The written actions.")]
    rules: Annotated[dict[str, dict[str, Any]], about("The rules, with the settings that differ from defaults.")]


class RulesInForce:
    """The rules of one engine. `compiled` may be read by any thread; everything else belongs to the event loop."""

    def __init__(
        self,
        path: Path | None,
        places: Callable[[], Mapping[str, Places]],
        on_change: Callable[[Container[str]], None] = lambda rules: None,
    ) -> None:
        """`places` returns the zones and lines of each camera. `on_change` gets the rules' names when they change."""
        self.compiled: CompiledRules | None = None
        self.error: str | None = None
        self._path = path
        self._places = places
        self._on_change = on_change
        self._names: CheckpointNames | None = None
        self._seen: tuple[int, ...] | None = None
        self._loaded_us: int | None = None

    def load(self, profile: str | None) -> None:
        """Read the file for the first time. Blocks. `profile`: of the checkpoint that knows the names, None if unknown.

        Raises `ConfigError` that names the rule and the field, and `WeightsError` if there is no such checkpoint.
        """
        if self._path is None:
            return
        self._names = None if profile in (None, "free") else stored_names(profile)
        self._seen = _identity(self._path)
        self._use(self._read(self._path))

    async def watch(self) -> None:
        """Read the file again whenever it has changed and then stayed the same for a while: it may be half written."""
        if self._path is None:
            return
        seen = self._seen
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            before, seen = seen, await asyncio.to_thread(_identity, self._path)
            if seen == self._seen or seen != before:
                continue
            self._seen = seen
            try:
                rules = await asyncio.to_thread(self._read, self._path)
            except ConfigError as error:
                self.error = str(error)
                logger.error("rules_file: %s; the previous rules stay in force", error)
                continue
            except Exception as error:  # a bug; a file must not end the engine
                self.error = f"{self._path}: reading it failed: {type(error).__name__}; see the log"
                logger.exception("rules_file: reading it failed; the previous rules stay in force")
                continue
            self._use(rules)

    @property
    def written(self) -> list[str]:
        """The names of the written actions."""
        return [] if self.compiled is None else sorted(self.compiled.config.actions)

    def view(self) -> RulesView:
        """Return the rules in force."""
        rules = {} if self.compiled is None else self.compiled.config.rules
        return RulesView(
            file=None if self._path is None else str(self._path),
            loaded_us=self._loaded_us,
            error=self.error,
            warnings=self._current_warnings(),
            actions=self.written,
            rules={
                name: rule.model_dump(mode="json", by_alias=True, exclude_defaults=True) for name, rule in rules.items()
            },
        )

    def _read(self, path: Path) -> CompiledRules:
        config = load_rules(path)
        if self._names is not None:
            check_names(config, self._names, str(path))
        return CompiledRules(config)

    def _use(self, rules: CompiledRules) -> None:
        self.compiled = rules
        config = rules.config
        self._on_change(config.rules)
        self.error = None
        self._loaded_us = time.time_ns() // 1000
        if not config.rules:
            logger.warning("rules_file: %s has no rules: no alert will be raised", self._path)
        for warning in self._current_warnings():
            logger.warning("rules_file: %s", warning)
        logger.info(
            "rules_file: %s is in force (rules: %d, written actions: %d)",
            self._path,
            len(config.rules),
            len(config.actions),
        )

    def _current_warnings(self) -> list[str]:
        """Return the warnings; zones and lines may have changed since the file was read."""
        return [] if self.compiled is None else place_warnings(self.compiled.config, self._places())


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when the file does; None if it cannot be read now, for example while it is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
