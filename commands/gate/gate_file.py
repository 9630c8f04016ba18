"""The result of the gate beside a checkpoint: `NAME.gate.json`, written by `partstream gate` and read by `run`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec

from commands.ending import printable

logger = logging.getLogger(__name__)

SCHEMA = "partstream.gate/1"
_MOST_BYTES = 16 << 20


class Model(msgspec.Struct, frozen=True):
    """A checkpoint: its profile or path as given, and the `sha256:…` of its file."""

    profile: str
    weights: str


class GateResult(msgspec.Struct, frozen=True, tag_field="schema", tag=SCHEMA):
    """The result: whether `new` may replace `old`, when that was decided, the material, and every check."""

    passed: bool
    at: str
    """ISO 8601, UTC."""
    old: Model
    new: Model
    conditions: dict[str, Any]
    checks: list[dict[str, Any]]


def gate_file(profile: str) -> Path | None:
    """Return the place of a checkpoint's result; None for a packaged one, which has none."""
    from stages.packaged_checkpoints import PACKAGED, is_packaged

    if profile in (*PACKAGED, "free") or is_packaged(Path(profile)):
        return None
    path = Path(profile)
    return path.with_name(path.name + ".gate.json")


def log_gate(profile: str) -> None:
    """Log whether a checkpoint passed the gate. Raises `WeightsError` for a checkpoint that cannot be read."""
    from stages.packaged_checkpoints import summary

    file = gate_file(profile)
    if file is None:
        return
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        result = msgspec.json.decode(file.read_bytes(), type=GateResult)
    except FileNotFoundError:
        logger.info("%s was not gated: `partstream gate` compares it with the checkpoint in use", profile)
        return
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s: not a result of `partstream gate`, or damaged: %s", file, error)
        return
    if result.new.weights != summary(profile).sha256:
        logger.warning("%s belongs to other weights: run `partstream gate` again for %s", file, profile)
        return
    old, day = printable(result.old.profile), printable(result.at[:10])
    if not result.passed:
        words = "%s was refused by the gate against %s on %s (%s); `--profile edge` runs the packaged weights"
        logger.warning(words, profile, old, day, file.name)
    else:
        unmeasured = sorted({str(one.get("name")) for one in result.checks if one.get("outcome") == "not measured"})
        without = f", without measuring {printable(', '.join(unmeasured))}" if unmeasured else ""
        logger.info("%s passed the gate against %s on %s%s", profile, old, day, without)
