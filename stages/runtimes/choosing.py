"""Choice of the runtime and precision that compute a network, when a model is loaded.

A runtime is used if it detects the same as float32 torch in packaged check pictures, within the bounds of `agreement`.
`auto` takes the fastest installed runtime that does, and keeps the choice in the user's cache. Everything runs in the
calling thread, which must be the one that will run the model.

The measured choice of a runtime in the user's cache, one JSON file per network, machine and use.

A choice is used only if everything that it depends on is the same. A file that can't be used is logged and ignored.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from stages.detection.detections import Computation
from stages.runtimes.agreement import BOUNDS, check_pictures, differences
from stages.runtimes.building import build, candidates, missing_packages, package_versions
from stages.runtimes.machine import processor, usable_cores
from stages.runtimes.network import (
    REFERENCE,
    TYPES,
    Candidate,
    PrecisionName,
    RunnableNetwork,
    RuntimeName,
    RuntimeUnavailableError,
)
from stages.settings import Precision, Runtime
from stages.third_party.weights import cache_dir
from stages.whole_file import whole_file

FORMAT = "partstream.runtime/4"

logger = logging.getLogger(__name__)


class ChoiceKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a choice depends on."""

    network: str
    processor: str
    cores: int
    torch_threads: int
    threads: int
    """Number of threads of the other runtimes."""
    sizes: list[tuple[int, int]]
    """Heights and widths."""
    precision: str
    """`model.precision`."""
    packages: dict[str, str]
    """Versions of the runtimes' packages."""


class StoredChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice, and the measurements that led to it."""

    format: Literal["partstream.runtime/4"]
    key: ChoiceKey
    runtime: RuntimeName
    precision: PrecisionName
    milliseconds: dict[str, dict[str, float]]
    """For each candidate that ran, by picture size (`576x768`, height first)."""
    rejected: dict[str, str]
    """The reason against each candidate that was not accepted."""

    @property
    def candidate(self) -> Candidate:
        """The chosen runtime and precision."""
        return Candidate(self.runtime, self.precision)


def choice_file(folder: Path, key: ChoiceKey) -> Path:
    """Return the file of a key, which need not exist."""
    digest = hashlib.sha256(msgspec.json.encode(key, order="sorted")).hexdigest()
    return folder / f"{key.network}-{digest[:16]}.json"


def read_choice(folder: Path, key: ChoiceKey) -> StoredChoice | None:
    """Return the choice that was stored for `key`, or None."""
    path = choice_file(folder, key)
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=StoredChoice)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("model.runtime: %s is ignored, and runtimes are measured again: %s", path, error)
        return None
    return stored


def write_choice(folder: Path, choice: StoredChoice) -> None:
    """Store a choice atomically. If the folder can't be written, runtimes are measured at each start."""
    path = choice_file(folder, choice.key)
    try:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(choice), indent=1) + b"\n")
    except OSError as error:
        logger.info(
            "model.runtime: %s can't be written (%s): runtimes are measured at each start", path, error.strerror
        )


Name = TypeVar("Name")
Size = tuple[int, int]
"""Height and width of a picture."""
Times = dict[Size, float]
"""Seconds for a picture of each size."""

GAIN = 0.95
"""A less preferred candidate is chosen if it takes at most this share of the time."""


Clock = Callable[[], float]
"""Returns seconds."""


def cost_clock(*threads: int) -> Clock:
    """Return the clock by which runtimes with these numbers of threads are compared.

    It is the processor time of this process if all have one thread, because other programs do not disturb it.
    Of several threads it would show neither how well they divide the work nor that they finish it sooner than one.
    """
    return time.process_time if max(threads) == 1 else time.perf_counter


def measure(
    runs: Mapping[Name, Mapping[Size, Callable[[], object]]],
    budget_s: float,
    cost: Clock,
    limit_s: float,
    clock: Clock = time.perf_counter,
) -> dict[Name, Times]:
    """Return the least cost of each run at each size.

    Each run is called once to warm up, then in rounds of all, at least one, until the rounds have cost `budget_s` or
    `limit_s` have passed by `clock`.
    """
    for by_size in runs.values():
        for run in by_size.values():
            run()
    times: dict[Name, Times] = {name: dict.fromkeys(by_size, float("inf")) for name, by_size in runs.items()}
    cost_began, began = cost(), clock()
    while True:
        for name, by_size in runs.items():
            for size, run in by_size.items():
                start = cost()
                run()
                times[name][size] = min(times[name][size], cost() - start)
        if cost() - cost_began >= budget_s or clock() - began >= limit_s:
            return times


def fastest(times: Mapping[Name, Times]) -> Name:
    """Return the name with the least total time; an earlier one, if a later one is not faster by `GAIN`."""
    names = iter(times)
    best = next(names)
    for name in names:
        if sum(times[name].values()) <= GAIN * sum(times[best].values()):
            best = name
    return best


FOLDER = "runtimes"
"""In the user's cache."""
MEASURE_S = 0.3
"""What measuring costs after all candidates were loaded, compared and warmed up."""
MEASURE_LIMIT_S = 3.0
"""When measuring ends on a machine that is so busy that `MEASURE_S` of processor time take longer."""
MOST_SIZES = 3
"""Sizes that are measured; of more, the largest."""
TOO_SLOW = 3.0
"""A candidate that takes this many times torch's time for the smallest check picture is not tried on others: bfloat16
is emulated on processors that lack it, which takes seconds."""
CLEARLY_FASTER = 1.15
"""torch is not measured if it takes this many times another candidate's time for the smallest check picture. That is
the usual case, and then a choice between two costs no more than comparing them."""
_REPEATS = 3
_FLOAT32_PICTURES = 2
"""Check pictures for float32, the smallest: runtimes differ from torch by rounding or are wrong. bfloat16 needs all,
because its bounds are for means over many people."""
Picture = NDArray[np.uint8]


def choose_runtime(
    network: RunnableNetwork,
    runtime: Runtime,
    precision: Precision,
    sizes: Sequence[Size],
    threads: int,
    folder: Path | None = None,
) -> Candidate:
    """Make `network` compute in the configured or the fastest runtime, and return which one it is.

    `sizes` are the heights and widths of the pictures in use. Runtimes other than torch get `threads` threads. `folder`
    keeps choices; by default `runtimes` in the user's cache. Raises `RuntimeUnavailableError` if the settings can't be
    followed.
    """
    allowed = candidates(runtime, precision)
    if runtime == "auto":
        return _Auto(network, precision, sizes, threads, folder or cache_dir() / FOLDER).choose(allowed)
    (candidate,) = allowed
    use_runtime(network, candidate, threads)
    return candidate


def use_runtime(network: RunnableNetwork, candidate: Candidate, threads: int) -> None:
    """Make `network` compute in `candidate`, for example the one that was chosen for another network.

    This measures nothing. A runtime other than torch gets `threads` threads. Raises `RuntimeUnavailableError` if the
    candidate can't compute the network, or detects other things than torch; the network then computes in torch, in
    float32.
    """
    computation = build(network, candidate, threads)
    if candidate.runtime != "torch":
        reason = _Check(network, candidate.precision).reason_against(candidate, computation)
        if reason is not None:
            _use(network, REFERENCE, None)
            raise RuntimeUnavailableError(
                f"model.runtime: {candidate} does not detect what torch does in the check pictures: {reason}. "
                "Use torch or auto, or another version of the runtime"
            )
    _use(network, candidate, computation)
    logger.info("model.runtime: %s computes in %s", network.name, candidate)


class _Check:
    """What the reference detects in check pictures, with which candidates are compared."""

    def __init__(self, network: RunnableNetwork, precision: PrecisionName) -> None:
        pictures = check_pictures()
        self._network = network
        self.pictures = pictures[:_FLOAT32_PICTURES] if precision == "float32" else pictures
        _use(network, REFERENCE, None)
        self._reference = [network.detect(picture) for picture in self.pictures]

    def reason_against(self, candidate: Candidate, computation: Computation | None) -> str | None:
        """Return why the candidate is not accepted, or None. The network computes in it afterwards."""
        _use(self._network, candidate, computation)
        try:
            found = [self._network.detect(picture) for picture in self.pictures]
        except Exception as error:  # A runtime may fail in any way.
            return str(error)
        different = differences(self._reference, found, self._network.sure_score)
        return different.reason_against(BOUNDS[candidate.precision])


class _Auto:
    """One choice by measurement, or from the cache."""

    def __init__(
        self, network: RunnableNetwork, precision: Precision, sizes: Sequence[Size], threads: int, folder: Path
    ) -> None:
        self._network, self._threads, self._folder = network, threads, folder
        self._sizes = sorted(set(sizes), key=lambda size: size[0] * size[1])[-MOST_SIZES:]
        self._key = ChoiceKey(
            network.name,
            processor(),
            usable_cores(),
            torch.get_num_threads(),
            threads,
            self._sizes,
            precision,
            package_versions(),
        )
        self._cost = cost_clock(torch.get_num_threads(), threads)
        self._accepted: dict[Candidate, Computation | None] = {}
        self._times: dict[Candidate, Times] = {}
        """Of all candidates that ran, the rejected ones included."""
        self._rejected: dict[str, str] = {}

    def choose(self, allowed: Sequence[Candidate]) -> Candidate:
        installed = [one for one in allowed if not missing_packages(one.runtime)]
        if len(installed) == 1:  # torch, which is always installed
            _use(self._network, installed[0], None)
            return installed[0]
        stored = read_choice(self._folder, self._key)
        if stored is not None and stored.candidate in installed:
            try:
                use_runtime(self._network, stored.candidate, self._threads)
                return stored.candidate
            except RuntimeUnavailableError as error:
                logger.warning("%s. It was chosen earlier; runtimes are measured again", error)
        self._try(installed)
        if not self._accepted:
            # The configured precision is not float32, and nothing computes in it as well as required.
            fallback = Candidate("torch", allowed[0].precision)
            _use(self._network, fallback, None)
            logger.warning("model.runtime: auto uses %s; no runtime keeps its bounds: %s", fallback, self._rejected)
            return fallback
        rivals = self._rivals()
        if len(rivals) > 1:
            self._measure(rivals)
        chosen = fastest({one: self._times[one] for one in rivals})
        _use(self._network, chosen, self._accepted[chosen])
        logger.info(
            "model.runtime: %s computes in %s, the fastest. Milliseconds a picture (width x height): %s",
            self._network.name,
            chosen,
            "; ".join(f"{one} {_as_text(times)}" for one, times in self._times.items()),
        )
        shown = {str(one): _milliseconds(times) for one, times in self._times.items()}
        choice = StoredChoice(FORMAT, self._key, chosen.runtime, chosen.precision, shown, self._rejected)
        write_choice(self._folder, choice)
        return chosen

    def _try(self, installed: Sequence[Candidate]) -> None:
        """Compare all candidates with the reference, and time each with the smallest check picture."""
        check = _Check(self._network, installed[0].precision)
        smallest = check.pictures[0]
        size = (smallest.shape[0], smallest.shape[1])
        reference_s = self._time(REFERENCE, None, smallest)
        for candidate in installed:
            if candidate == REFERENCE:
                self._accepted[candidate], self._times[candidate] = None, {size: reference_s}
                continue
            try:
                computation = build(self._network, candidate, self._threads)
                seconds = self._time(candidate, computation, smallest)
                self._times[candidate] = {size: seconds}
                if seconds > TOO_SLOW * reference_s:
                    reason = f"it takes {seconds / reference_s:.1f} times as long as {REFERENCE}"
                elif (reason := check.reason_against(candidate, computation)) is None:
                    self._accepted[candidate] = computation
                    continue
            except Exception as error:  # A runtime may fail in any way.
                reason = str(error)
            self._rejected[str(candidate)] = reason
            logger.warning("model.runtime: auto does not use %s: %s", candidate, reason)

    def _time(self, candidate: Candidate, computation: Computation | None, picture: Picture) -> float:
        least = float("inf")
        for _ in range(_REPEATS):
            start = self._cost()
            _run(self._network, candidate, computation, picture)
            least = min(least, self._cost() - start)
        return least

    def _rivals(self) -> list[Candidate]:
        """Return the accepted candidates, without torch in float32 if another is clearly faster."""
        seconds = {one: sum(self._times[one].values()) for one in self._accepted}
        limit = CLEARLY_FASTER * min(seconds.values())
        return [one for one in self._accepted if one != REFERENCE or seconds[one] < limit]

    def _measure(self, rivals: Sequence[Candidate]) -> None:
        content = check_pictures()[-1]
        pictures = {size: tiled(content, size) for size in self._sizes}
        runs = {
            one: {
                size: partial(_run, self._network, one, self._accepted[one], picture)
                for size, picture in pictures.items()
            }
            for one in rivals
        }
        self._times |= measure(runs, MEASURE_S, self._cost, MEASURE_LIMIT_S)


def _use(network: RunnableNetwork, candidate: Candidate, computation: Computation | None) -> None:
    network.use(TYPES[candidate.precision], computation)


def _run(network: RunnableNetwork, candidate: Candidate, computation: Computation | None, picture: Picture) -> None:
    _use(network, candidate, computation)
    network.detect(picture)


def _milliseconds(times: Times) -> dict[str, float]:
    return {f"{height}x{width}": round(seconds * 1e3, 1) for (height, width), seconds in times.items()}


def _as_text(times: Times) -> str:
    return ", ".join(f"{width}x{height}: {seconds * 1e3:.1f}" for (height, width), seconds in times.items())


def tiled(picture: Picture, size: Size) -> Picture:
    """Return a picture of `size` with the content of another, repeated or cropped."""
    repeats = [-(-wanted // length) for wanted, length in zip(size, picture.shape, strict=False)]
    return np.ascontiguousarray(np.tile(picture, (*repeats, 1))[: size[0], : size[1]])
