"""Self-test: the real engine with the configured model for two seconds, on ports of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic

from commands.doctor.bounded import place_of
from commands.doctor.finding import Finding, fault, ok, warning
from stages.third_party import weights
from stages.third_party.weights import WeightsError
from stream.config import Config
from stream.engine import Engine, EngineFailedError
from stream.results import Frame
from stream.settings.config_error import ConfigError
from telemetry.observer import Observer

CHECK = "self-test"
SECONDS = 2.0
FIRST_RESULT_WITHIN_S = 15.0
LIMIT_S = 120.0
"""Most of it is for loading the largest model from a slow disk."""
FOOTAGE, FOOTAGE_FILE = "vtest", "vtest.avi"
"""Pedestrians in a street, if they were fetched; otherwise the test picture is used, which shows no people."""
DETECTOR_SIZE = (512, 384)
"""The people in the street are small."""
ENOUGH_FRAMES = 5
"""In fewer, no person may have been tracked long enough to be published."""
CAMERA = "self-test"


class _Failures(Observer):
    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()

    def stage_failed(self, stage: str) -> None:
        self.stages[stage] += 1


class _FirstError(logging.Handler):
    """Keeps the place of the first exception that is logged. Its message may quote a secret."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.place = ""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not self.place:
            self.place = place_of(error)


def run(config: Config, seconds: float = SECONDS) -> Finding:
    """Run the engine and judge its results. Uses no port, file or camera of the configuration."""
    footage = _footage()
    failures, first_error = _Failures(), _FirstError()
    logging.getLogger().addHandler(first_error)
    try:
        frames, took_s = asyncio.run(_frames(_isolated(config, footage), failures, seconds))
    except (WeightsError, ConfigError) as error:
        seen, _, remedy = str(error).partition("\n")
        return fault(CHECK, f"the engine cannot start: {seen}", remedy or "Correct the faults above")
    except EngineFailedError as error:
        return fault(
            CHECK, str(error), "This is a bug in partstream: please report it with the log of `run --log-level debug`"
        )
    finally:
        logging.getLogger().removeHandler(first_error)
    if failures.stages:
        names = ", ".join(sorted(failures.stages)) + (f" ({first_error.place})" if first_error.place else "")
        return fault(
            CHECK,
            f"stages failed: {names}",
            "`partstream run pattern:` logs the reason. If it is no setting, please report it",
        )
    if not frames:
        return fault(
            CHECK,
            f"no result within {took_s:.0f} s after the model was loaded",
            "`partstream run pattern:` logs what it waits for",
        )
    return _judge(frames, took_s, footage is not None)


def _judge(frames: list[Frame], took_s: float, with_people: bool) -> Finding:
    people = max(len(frame.people) for frame in frames)
    rate = f"{len(frames)} frames analysed in {took_s:.1f} s, one at a time ({len(frames) / took_s:.1f}/s)"
    if not with_people:
        return ok(
            CHECK,
            f"{rate}; with the test picture, which shows no people (`weights fetch {FOOTAGE}` gets footage of some)",
        )
    if people or not frames[0].model.trained:
        return ok(CHECK, f"{rate}; {people} people in footage of a street")
    if len(frames) < ENOUGH_FRAMES:
        return warning(CHECK, f"{rate}; too few to find people", "This machine is slow for the model, or busy")
    return fault(CHECK, f"{rate}; no people found in footage of a street", "Check model.person_score and model.profile")


def _footage() -> Path | None:
    if not weights.present(FOOTAGE):
        return None
    with suppress(WeightsError):
        return weights.locate(FOOTAGE, FOOTAGE_FILE)
    return None


def _isolated(config: Config, footage: Path | None) -> Config:
    """Return a configuration with the same model and nothing else of it."""
    source = str(footage) if footage is not None else "pattern:"
    return Config.model_validate(
        {
            "cameras": [{"id": CAMERA, "source": source, "pace": "fast", "detector_size": DETECTOR_SIZE}],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
            **{name: getattr(config, name) for name in ("model", "window", "tracking", "batch")},
        }
    )


async def _frames(config: Config, failures: Observer, seconds: float) -> tuple[list[Frame], float]:
    """Return the results of `seconds` seconds from the first one on, and how long they took."""
    frames: list[Frame] = []
    async with Engine(config, observers=[failures]) as engine:
        feed = engine.results()
        began, until = monotonic(), monotonic() + FIRST_RESULT_WITHIN_S
        with suppress(TimeoutError):
            while (left := until - monotonic()) > 0:
                message = await asyncio.wait_for(anext(feed), left)
                if not isinstance(message, Frame):
                    continue
                if not frames:
                    began, until = monotonic(), monotonic() + seconds
                frames.append(message)
        return frames, monotonic() - began
