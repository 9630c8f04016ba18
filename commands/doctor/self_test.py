"""Two seconds of the real engine, apart from everything else: a picture in, results out, with the configured model."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic

from commands.doctor.finding import Finding, fault, ok, warning
from stages.third_party import weights
from stages.third_party.weights import WeightsError
from stream.config import Config
from stream.engine import Engine, EngineFailedError
from stream.results import Frame
from stream.settings.section import ConfigError
from telemetry.observer import Observer

CHECK = "self-test"
SECONDS = 2.0
FIRST_RESULT_WITHIN_S = 15.0
LIMIT_S = 120.0
"""Loading the largest model from a slow disk takes most of it."""
FOOTAGE, FOOTAGE_FILE = "vtest", "vtest.avi"
"""Pedestrians, if somebody has fetched them; else the test picture, in which nobody is."""
DETECTOR_SIZE = (512, 384)
"""The street's people are small."""
ENOUGH_FRAMES = 5
"""In fewer, a person needn't have been followed for long enough to be published."""
CAMERA = "self-test"


class _Failures(Observer):
    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()

    def stage_failed(self, stage: str) -> None:
        self.stages[stage] += 1


def run(config: Config, seconds: float = SECONDS) -> Finding:
    """Run it and say what came. No port, file or camera of the configuration is touched."""
    footage = _footage()
    failures = _Failures()
    try:
        frames, took_s = asyncio.run(_frames(_apart(config, footage), failures, seconds))
    except (WeightsError, ConfigError) as error:
        seen, _, remedy = str(error).partition("\n")
        return fault(CHECK, f"the engine can't start: {seen}", remedy or "See what is said of its settings above")
    except EngineFailedError as error:
        return fault(CHECK, str(error), "A fault in partstream: please report it, with `run --log-level debug`'s log")
    if failures.stages:
        names = ", ".join(sorted(failures.stages))
        return fault(
            CHECK, f"stages failed: {names}", "`partstream run pattern:` logs why; report it if it's no setting"
        )
    if not frames:
        return fault(
            CHECK,
            f"no result within {took_s:.0f} s of the model's being loaded",
            "`partstream run pattern:` shows what it waits for",
        )
    return _judge(frames, took_s, footage is not None)


def _judge(frames: list[Frame], took_s: float, with_people: bool) -> Finding:
    people = max(len(frame.people) for frame in frames)
    rate = f"{len(frames)} frames analysed in {took_s:.1f} s, one after the other ({len(frames) / took_s:.1f}/s)"
    if not with_people:
        return ok(
            CHECK, f"{rate}; the test picture, in which nobody is: {FOOTAGE} would show people, if it were fetched"
        )
    if people or not frames[0].model.trained:
        return ok(CHECK, f"{rate}; {people} people in footage of a street")
    if len(frames) < ENOUGH_FRAMES:
        return warning(CHECK, f"{rate}; too few to see anybody", "This machine is slow for the model, or busy")
    return fault(
        CHECK, f"{rate}; nobody was seen in footage of a street", "Look at model.person_score and model.profile"
    )


def _footage() -> Path | None:
    if not weights.present(FOOTAGE):
        return None
    with suppress(WeightsError):
        return weights.locate(FOOTAGE, FOOTAGE_FILE)
    return None


def _apart(config: Config, footage: Path | None) -> Config:
    """The same model, and nothing else of the configuration."""
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
    """The results of so many seconds from the first one on, and how long they took to come."""
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
