"""Choice of the runtime and precision that compute a network, when a model is loaded.

A configured runtime is used if it detects the same people as float32 torch in the packaged check pictures, within the
bounds of `agreement`. `auto` measures all installed runtimes that do, for the picture sizes in use, takes the fastest
and keeps the choice in the user's cache. Everything runs in the calling thread, which must be the one that will run the
model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.detection.computation import Computation
from stages.runtimes.agreement import BOUNDS, differences
from stages.runtimes.building import build, candidates, missing_packages, package_versions
from stages.runtimes.check_pictures import check_pictures
from stages.runtimes.graph_files import network_sha256
from stages.runtimes.machine import processor, usable_cores
from stages.runtimes.network import REFERENCE, TYPES, Candidate, RunnableNetwork, RuntimeUnavailableError
from stages.runtimes.speed import Clock, Size, Times, cost_clock, fastest, measure
from stages.runtimes.stored_choice import FORMAT, ChoiceKey, StoredChoice, read_choice, write_choice
from stages.settings import Precision, Runtime
from stages.third_party.weights import cache_dir

FOLDER = "runtimes"
"""In the user's cache."""
MEASURE_S = 1.0
"""What measuring costs after all candidates were loaded, compared and warmed up."""
MEASURE_LIMIT_S = 10.0
"""When measuring ends on a machine that is so busy that `MEASURE_S` of processor time take longer."""
LIMIT_S = 120.0
"""No further candidate is tried after this time. A single call of a runtime can't be interrupted."""
MOST_SIZES = 3
"""Sizes that are measured; of more, the largest."""
TOO_SLOW = 3.0
"""A candidate that takes this many times torch's time for the smallest check picture is not tried on others: bfloat16
is emulated on processors that lack it, which takes seconds."""
_REPEATS = 3

logger = logging.getLogger(__name__)

Picture = NDArray[np.uint8]


def choose_runtime(
    network: RunnableNetwork,
    runtime: Runtime,
    precision: Precision,
    sizes: Sequence[Size],
    folder: Path | None = None,
    clock: Clock = time.perf_counter,
) -> Candidate:
    """Make `network` compute in the configured or the fastest runtime, and return which one it is.

    `sizes` are the heights and widths of the pictures in use. `folder` keeps choices and ONNX files; by default
    `runtimes` in the user's cache. Raises `RuntimeUnavailableError` if the settings can't be followed.
    """
    folder = folder or cache_dir() / FOLDER
    allowed = candidates(runtime, precision)
    if runtime == "auto":
        return _Auto(network, precision, sizes, folder, clock).choose(allowed)
    (candidate,) = allowed
    computation = build(network, candidate, folder)
    if candidate.runtime != "torch":
        reason = _Check(network, check_pictures()).reason_against(candidate, computation)
        if reason is not None:
            raise RuntimeUnavailableError(
                f"model.runtime: {candidate} does not detect what torch does in the check pictures: {reason}. "
                "Use torch or auto, or another version of the runtime"
            )
    _use(network, candidate, computation)
    logger.info("model.runtime: %s computes in %s", network.name, candidate)
    return candidate


class _Check:
    """The reference's detections in check pictures, with which candidates are compared."""

    def __init__(self, network: RunnableNetwork, pictures: Sequence[Picture]) -> None:
        self._network, self._pictures, self._cost = network, pictures, cost_clock(torch.get_num_threads())
        _use(network, REFERENCE, None)
        self._seconds = self._time_of_first()
        self._reference = [network.detect(picture) for picture in pictures]

    def reason_against(self, candidate: Candidate, computation: Computation | None, speed: bool = False) -> str | None:
        """Return why the candidate is not accepted, or None; `speed`: also if it is far slower than the reference."""
        network = self._network
        _use(network, candidate, computation)
        if speed and (seconds := self._time_of_first()) > TOO_SLOW * self._seconds:
            return f"it takes {seconds / self._seconds:.1f} times as long as {REFERENCE}"
        found = [network.detect(picture) for picture in self._pictures]
        different = differences(self._reference, found, network.sure_score)
        return different.reason_against(BOUNDS[candidate.precision])

    def _time_of_first(self) -> float:
        least = float("inf")
        for _ in range(_REPEATS):
            start = self._cost()
            self._network.detect(self._pictures[0])
            least = min(least, self._cost() - start)
        return least


@dataclass(slots=True)
class _Tried:
    """The computations of accepted candidates, and the reasons against the others."""

    accepted: dict[Candidate, Computation | None] = field(default_factory=dict[Candidate, Computation | None])
    rejected: dict[str, str] = field(default_factory=dict[str, str])
    complete: bool = True
    """Whether there was time for all candidates."""


class _Auto:
    """One choice by measurement, or from the cache."""

    def __init__(
        self, network: RunnableNetwork, precision: Precision, sizes: Sequence[Size], folder: Path, clock: Clock
    ) -> None:
        self._network, self._folder, self._clock = network, folder, clock
        self._sizes = sorted(set(sizes), key=lambda size: size[0] * size[1])[-MOST_SIZES:]
        self._key = ChoiceKey(
            network.name,
            network_sha256(network),
            processor(),
            usable_cores(),
            torch.get_num_threads(),
            self._sizes,
            precision,
            package_versions(),
        )

    def choose(self, allowed: Sequence[Candidate]) -> Candidate:
        installed = [one for one in allowed if not missing_packages(one.runtime)]
        stored = read_choice(self._folder, self._key)
        if stored is not None and stored.candidate in installed and self._use_stored(stored):
            return stored.candidate
        began = self._clock()
        pictures = check_pictures()
        tried = self._try(installed, pictures, began)
        if not tried.accepted:
            # The configured precision is not float32, and nothing computes in it as well as required.
            fallback = Candidate("torch", allowed[0].precision)
            _use(self._network, fallback, None)
            logger.warning("model.runtime: auto uses %s; no runtime keeps its bounds: %s", fallback, tried.rejected)
            return fallback
        times = self._measure(tried.accepted, pictures[-1])
        chosen = fastest(times)
        _use(self._network, chosen, tried.accepted[chosen])
        self._log(chosen, times)
        if tried.complete:
            write_choice(self._folder, self._stored(chosen, times, tried))
        return chosen

    def _use_stored(self, stored: StoredChoice) -> bool:
        """Use a stored choice if it still agrees with torch, which takes half a second to find out."""
        candidate = stored.candidate
        try:
            computation = build(self._network, candidate, self._folder)
            reason = _Check(self._network, check_pictures()).reason_against(candidate, computation)
        except Exception as error:  # A runtime may fail in any way.
            reason = str(error)
        if reason is not None:
            logger.warning("model.runtime: %s was chosen earlier and is not used now: %s", candidate, reason)
            return False
        logger.info("model.runtime: %s computes in %s, as measured earlier", self._network.name, candidate)
        return True

    def _try(self, installed: Sequence[Candidate], pictures: Sequence[Picture], began: float) -> _Tried:
        check = _Check(self._network, pictures)
        tried = _Tried()
        for candidate in installed:
            if candidate == REFERENCE:
                tried.accepted[candidate] = None
                continue
            if self._clock() - began > LIMIT_S:
                tried.complete = False
                reason = f"there was no time for it within {LIMIT_S:g} s; the next start tries it again"
            else:
                try:
                    computation = build(self._network, candidate, self._folder)
                    reason = check.reason_against(candidate, computation, speed=True)
                    if reason is None:
                        tried.accepted[candidate] = computation
                        continue
                except Exception as error:  # A runtime may fail in any way.
                    reason = str(error)
            tried.rejected[str(candidate)] = reason
            logger.warning("model.runtime: auto does not use %s: %s", candidate, reason)
        return tried

    def _measure(self, accepted: dict[Candidate, Computation | None], content: Picture) -> dict[Candidate, Times]:
        pictures = {size: tiled(content, size) for size in self._sizes}
        runs = {
            candidate: {
                size: partial(_run, self._network, candidate, computation, picture)
                for size, picture in pictures.items()
            }
            for candidate, computation in accepted.items()
        }
        return measure(runs, MEASURE_S, cost_clock(torch.get_num_threads()), MEASURE_LIMIT_S, self._clock)

    def _log(self, chosen: Candidate, times: dict[Candidate, Times]) -> None:
        shown = "; ".join(f"{name} {_milliseconds(by_size)}" for name, by_size in times.items())
        logger.info(
            "model.runtime: %s computes in %s, the fastest. Milliseconds a picture: %s",
            self._network.name,
            chosen,
            shown,
        )

    def _stored(self, chosen: Candidate, times: dict[Candidate, Times], tried: _Tried) -> StoredChoice:
        milliseconds = {str(name): _milliseconds(by_size) for name, by_size in times.items()}
        return StoredChoice(FORMAT, self._key, chosen.runtime, chosen.precision, milliseconds, tried.rejected)


def _use(network: RunnableNetwork, candidate: Candidate, computation: Computation | None) -> None:
    network.use(TYPES[candidate.precision], computation)


def _run(network: RunnableNetwork, candidate: Candidate, computation: Computation | None, picture: Picture) -> None:
    _use(network, candidate, computation)
    network.detect(picture)


def _milliseconds(times: Times) -> dict[str, float]:
    return {f"{height}x{width}": round(seconds * 1e3, 1) for (height, width), seconds in times.items()}


def tiled(picture: Picture, size: Size) -> Picture:
    """Return a picture of `size` with the content of another, repeated or cropped."""
    repeats = [-(-wanted // length) for wanted, length in zip(size, picture.shape, strict=False)]
    return np.ascontiguousarray(np.tile(picture, (*repeats, 1))[: size[0], : size[1]])
