"""Warnings of environment variables that look like settings but set nothing."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping

from pydantic import BaseModel

logger = logging.getLogger(__name__)

PREFIX = "PARTSTREAM_"
OTHER_VARIABLES = frozenset(
    {"CACHE", "SERVER_KEY", "KEY_FILE", "READ_TOKEN", "CONTROL_TOKEN", "FLEET_TOKEN", "CONTAINERFILE"}
)
"""Variables of commands, of the cache of weights and of deploy/compose.yaml, without the prefix."""

SERVICE_LINK = re.compile(r"(^|_)SERVICE_(HOST|PORT(_\w+)?)$|(^|_)PORT_\d+_(TCP|UDP)(_\w+)?$")
"""Variables that Kubernetes sets in each container for each service, here one called partstream."""


def warn_of_unknown_variables(config: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Log a warning for each variable that sets nothing of `config`, with the nearest one that does.

    Unknown keys within a section, such as `PARTSTREAM_HTTP__BINDS`, are left to the validation of the section.
    """
    names: list[str] | None = None
    for variable, value in environment.items():
        if not variable.upper().startswith(PREFIX):
            continue
        name = variable.upper().removeprefix(PREFIX)
        if name in OTHER_VARIABLES:
            continue
        if SERVICE_LINK.search(name) or (name.endswith("PORT") and "://" in value):
            continue
        if name.split("__")[0].lower() in config.model_fields:
            continue
        names = names or _variables(config)
        nearest = difflib.get_close_matches(name, names, 1)
        advice = f"did you mean {PREFIX}{nearest[0]}?" if nearest else "docs/configuration.md lists all settings"
        logger.warning("the environment variable %s sets nothing; %s", variable, advice)


def _variables(config: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            names += [f"{name}__{inner}".upper() for inner in section.model_fields]
        else:
            names.append(name.upper())
    return names
