"""Checks of the names in `recording.actions`, `incidents.actions` and `recording.cameras`."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence

from stream.settings.config_error import ConfigError
from stream.settings.recording import IncidentsConfig, RecordingConfig

logger = logging.getLogger(__name__)


def check_actions(
    settings: RecordingConfig | IncidentsConfig,
    known: Sequence[str],
    written: Sequence[str] = (),
    section: str = "recording",
) -> None:
    """Raise `ConfigError` if one of a section's `actions` is neither `known` to the model nor `written` in rules.

    `known` is empty if the model's actions are not known beforehand.
    """
    if settings.directory is None or not known:
        return
    for name in settings.actions or ():
        if name not in known and name not in written:
            raise ConfigError(
                f"{section}.actions: the model has no action `{name}`; {_suggestion(name, [*known, *written])}"
            )


def warn_of_missing_cameras(recording: RecordingConfig, cameras: Iterable[str]) -> None:
    """Warn of cameras in `recording.cameras` that are not configured. They may be added while the engine runs."""
    if recording.directory is None:
        return
    for name, suggestion in missing_cameras(recording, list(cameras)).items():
        logger.warning("recording.cameras: there is no camera `%s` yet; %s", name, suggestion)


def missing_cameras(recording: RecordingConfig, known: Sequence[str]) -> dict[str, str]:
    """Return the cameras in `recording.cameras` that are not `known`, each with a suggestion."""
    return {name: _suggestion(name, known) for name in recording.cameras if name not in known}


def _suggestion(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, 1)
    return f"did you mean `{nearest[0]}`?" if nearest else f"known: {', '.join(known) or 'none'}"
