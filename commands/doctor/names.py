"""Checks of names: those in the rules file, and the actions and cameras of recording and incidents."""

from __future__ import annotations

from collections.abc import Iterator

from commands.doctor.finding import Finding, fault, ok, warning
from stages.third_party.weights import WeightsError
from stream.config import Config
from stream.recording.configured_names import check_actions, missing_cameras
from stream.rules_file import check_names, load_rules, stored_names
from stream.settings.config_error import ConfigError

RULES, CAMERAS = "rules_file", "recording.cameras"


def names(config: Config) -> list[Finding]:
    """Check the rules file, if there is one, and whether the actions and cameras that settings name exist."""
    try:
        known = None if config.model.profile == "free" else stored_names(config.model.profile)
    except WeightsError:
        return []  # which the check of the weights has found
    written: list[str] = []
    found: list[Finding] = []
    if config.rules_file is not None:
        try:
            rules = load_rules(config.rules_file)
            if known is not None:
                check_names(rules, known, str(config.rules_file))
        except ConfigError as error:
            return [fault(RULES, str(error), "Correct it. `partstream rules check` checks it, too")]
        written = list(rules.actions)
        found.append(ok(RULES, f"{config.rules_file} is valid"))
    actions = [] if known is None else list(known.vocabulary.actions)
    return [*found, *_actions(config, actions, written), *_cameras(config)]


def _actions(config: Config, known: list[str], written: list[str]) -> Iterator[Finding]:
    for section, settings in (("recording", config.recording), ("incidents", config.incidents)):
        check = f"{section}.actions"
        if settings.directory is None or not settings.actions or not known:
            continue
        try:
            check_actions(settings, known, written, section)
        except ConfigError as error:
            seen, _, advice = str(error).removeprefix(f"{check}: ").partition("; ")
            yield fault(check, seen, f"Correct the name: {advice}")
        else:
            yield ok(check, "the model or the rules file has all of them")


def _cameras(config: Config) -> Iterator[Finding]:
    if config.recording.directory is None or not config.recording.cameras:
        return
    missing = missing_cameras(config.recording, [camera.id for camera in config.cameras])
    for name, advice in missing.items():
        yield warning(CAMERAS, f"there is no camera `{name}`, so it is not recorded", f"Correct the name: {advice}")
    if not missing:
        yield ok(CAMERAS, "all of them are configured")
