"""Variants of the model's settings, each with the packaged pipeline that it describes, for `benchmarks.model.found`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from ring_buffers.frames import Lease
from stages.people.people_tracker import FramePeople
from stages.pipeline import Pipeline
from stages.profiles import load_profile
from stages.settings import ModelSettings, PipelineSettings
from stages.settings_file import error_text
from stages.step_scores import StepScores
from stages.types import FrameAnalysis, PersonAnalysis

THREADS = 1
"""Threads of a variant that names no number."""


class VariantError(ValueError):
    """A variant cannot be used; the message says why."""


class Variant(NamedTuple):
    """Settings of the model under a name."""

    name: str
    settings: ModelSettings


def variant_of(text: str) -> Variant:
    """Read `NAME:field=value,field=value`, with fields of `ModelSettings`. Raises `VariantError`."""
    name, _, rest = text.partition(":")
    fields: dict[str, str] = {"threads": str(THREADS)}
    for pair in filter(None, rest.split(",")):
        field, equals, value = pair.partition("=")
        if not equals:
            raise VariantError(f"{text!r}: {pair!r} is not field=value")
        fields[field.strip()] = value.strip()
    if not name:
        raise VariantError(f"{text!r} has no name; write NAME:field=value,field=value")
    try:
        return Variant(name, ModelSettings.model_validate(fields))
    except ValidationError as error:
        fields_known = f"fields are {', '.join(ModelSettings.model_fields)}"
        problem = error_text(error, ModelSettings, command="partstream config", show_values=True)
        raise VariantError(f"{text!r}: {problem}; {fields_known}") from None


def variants_of(texts: Sequence[str]) -> list[Variant]:
    """Read variants. Raises `VariantError`, also for a name that occurs twice."""
    variants = [variant_of(text) for text in texts]
    names = [one.name for one in variants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise VariantError(f"{', '.join(twice)}: named twice")
    return variants


class KeypointPipeline(Pipeline):
    """A pipeline that keeps the keypoints of its people's steps, which are not published."""

    keypoints: dict[int, NDArray[np.float32]]
    """[17, 3] by track: x, y in pixels of the source, and score; of the last frame, of those who made a step in it."""

    def _analysis(self, frame: FramePeople, scores: StepScores | None) -> FrameAnalysis:
        self.keypoints = {
            seen.tracked.track: seen.person.history.window([])[0][-1] for seen in frame.seen if seen.step is not None
        }
        return super()._analysis(frame, scores)


class WatchedPerson(NamedTuple):
    """A published person, with keypoints [17, 3] if they made a step in the frame."""

    person: PersonAnalysis
    keypoints: NDArray[np.float32] | None


class Watched(NamedTuple):
    """A clip as a variant saw it: numbers of the frames, the people of each, and CPU seconds of the model."""

    numbers: list[int]
    people: list[list[WatchedPerson]]
    cpu_s: float


class Watcher:
    """A variant's model, ready to watch clips. Raises as `load_profile`."""

    def __init__(self, variant: Variant) -> None:
        model = load_profile(PipelineSettings(model=variant.settings), kind=KeypointPipeline)
        assert isinstance(model, KeypointPipeline)
        self.name, self.model = variant.name, model
        self._threads = torch.get_num_threads()
        model.warm_up()

    def watch(self, leases: Iterable[Lease]) -> Watched:
        """Watch all frames of one camera, one by one, and forget it."""
        torch.set_num_threads(self._threads)  # one number for all models of the process
        watched, camera, cpu_s = Watched([], [], 0.0), "", 0.0
        for lease in leases:
            camera = lease.meta.camera
            start = time.process_time()
            (analysis,) = self.model.process([lease])
            cpu_s += time.process_time() - start
            keypoints = self.model.keypoints
            watched.numbers.append(lease.meta.frame)
            watched.people.append([WatchedPerson(one, keypoints.get(one.track)) for one in analysis.people])
        self.model.forget(camera)
        return watched._replace(cpu_s=cpu_s)
