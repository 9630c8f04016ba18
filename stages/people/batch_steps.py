"""The steps of a batch: which people the learned stages process at which frame, and in which wave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ring_buffers.state_bank import TrackKey
from stages.detection.detections import PartBoxes
from stages.heads.action_states import WaveStep
from stages.people.people import Person, Step


class BatchSteps:
    """The steps that people make in one batch. The lists hold one entry per step, in the order of the steps."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.steps: list[Step] = []
        self.frames: list[int] = []
        """Indices in the batch."""
        self.present: list[NDArray[np.bool_]] = []
        self.part_boxes: list[NDArray[np.float32]] = []
        self.objects: list[NDArray[np.float32] | None] = []
        """The box of the object that the person holds, or None."""
        self.waves: list[list[WaveStep]] = []
        self._by_key: dict[TrackKey, Person] = {}
        self._windows: list[tuple[NDArray, NDArray, NDArray, NDArray]] = []

    def __len__(self) -> int:
        return len(self.people)

    def add(
        self,
        person: Person,
        step: Step,
        parts: PartBoxes,
        place: int,
        held: NDArray[np.float32] | None,
        frame: int,
        wave: int,
    ) -> int:
        """Add a step and return its index.

        `place` is the person's index in `parts`; `held` is the box of the object that they hold; `frame` is the frame's
        index in the batch.
        """
        row = len(self.people)
        person.pending.append(step)
        self.people.append(person)
        self._by_key[person.key] = person
        self.steps.append(step)
        self.frames.append(frame)
        self.present.append(parts.present[place])
        self.part_boxes.append(parts.boxes[place])
        self.objects.append(held)
        if step.keypoints is not None:
            self._windows.append(person.history.window(person.pending))
        while len(self.waves) <= wave:
            self.waves.append([])
        self.waves[wave].append(WaveStep(person.key, step.media_us, row))
        return row

    def windows(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return the trailing windows of all steps: keypoints `[n, H, 17, 3]`, boxes `[n, H, 4]`, times `[n, H]`, valid
        `[n, H]`. The steps must have keypoints."""
        keypoints, boxes, times, valid = (np.stack(arrays) for arrays in zip(*self._windows, strict=True))
        return keypoints, boxes, times, valid

    def part(self, start: int, stop: int) -> BatchSteps:
        """Return the steps from `start` up to `stop` as a separate batch. These must be processed in order."""
        part = BatchSteps()
        part.people = self.people[start:stop]
        part.steps = self.steps[start:stop]
        part.frames = self.frames[start:stop]
        part.present = self.present[start:stop]
        part.part_boxes = self.part_boxes[start:stop]
        part.objects = self.objects[start:stop]
        part._windows = self._windows[start:stop]
        part._by_key = {person.key: person for person in part.people}
        waves = [
            [step._replace(row=step.row - start) for step in wave if start <= step.row < stop] for wave in self.waves
        ]
        part.waves = [wave for wave in waves if wave]
        return part

    def commit(self, key: TrackKey) -> None:
        """Mark a person's oldest pending step as processed by the action model."""
        self._by_key[key].commit()

    def abandon(self) -> None:
        """Discard the steps that the action model has not processed."""
        for person in self.people:
            person.pending.clear()
