"""Training sequences from watched videos: windows of people's steps, with steps missing as under load.

The random state of a `FolderSource` can be saved and restored, so that a resumed run sees the same batches as an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import VisualInput
from stages.keypoint_features.geometry import sequence_features
from stages.keypoint_features.step_window import HISTORY_STEPS
from training.annotated_videos.clips import Clip
from training.annotated_videos.sightings import read_roi
from training.sequences import Source, Tensors

Integers = NDArray[np.int64]


class _Track(NamedTuple):
    """One person in one clip: the numbers of their steps."""

    clip: Clip
    first: int
    stop: int


class Cut(NamedTuple):
    """A sequence: ascending numbers of one track's steps in the clip. The first `lead` are only for looking back."""

    clip: Clip
    steps: Integers
    lead: int

    @property
    def answered(self) -> Integers:
        """The numbers after the lead."""
        return self.steps[self.lead :]


class FolderSource(Source):
    """Batches of sequences of the clips' people. Every sequence ends with a step that has a known target."""

    def __init__(self, clips: Sequence[Clip], seed: int, *, balanced: bool = False, unseen_share: float = 0.0) -> None:
        """`balanced`: equally many sequences end with each action; otherwise every step is equally likely to be the
        last. `unseen_share`: share of sequences without RoI features, so that the network does not depend on them."""
        super().__init__(seed)
        self._unseen_share = unseen_share
        self._tracks = [_Track(clip, *track) for clip in clips for track in clip.tracks()]
        ends: list[tuple[int, int, int]] = []
        for number, track in enumerate(self._tracks):
            labels, steps = track.clip.labels, slice(track.first, track.stop)
            known = (labels.action[steps] >= 0) | labels.states_known[steps].any(1)
            ends += [
                (number, step + track.first, int(labels.action[step + track.first]))
                for step in np.flatnonzero(known).tolist()
            ]
        self._ends = np.array(ends, np.int64).reshape(-1, 3)
        of_action = {action: np.flatnonzero(self._ends[:, 2] == action) for action in np.unique(self._ends[:, 2])}
        of_action.pop(-1, None)
        self._of_action = list(of_action.values()) if balanced else []

    def __len__(self) -> int:
        """Return the number of steps that a sequence may end with; a source without any gives no sequence."""
        return len(self._ends)

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""
        return sequences([self.draw(window) for _ in range(count)], window, self.rng, self._unseen_share)

    def draw(self, window: int) -> Cut:
        """Return a sequence of 1 to `window` steps."""
        rng = self.rng
        if self._of_action:
            ends = self._of_action[rng.integers(len(self._of_action))]
            end = ends[rng.integers(len(ends))]
        else:
            end = rng.integers(len(self._ends))
        number, last, _ = self._ends[end]
        track = self._tracks[number]
        # Six in ten have the full length, as generated sequences do.
        length = window if rng.random() < 0.6 else int(rng.integers(1, window + 1))
        steps = walk_back(rng, int(last) - track.first, length + HISTORY_STEPS - 1) + track.first
        return Cut(track.clip, steps, max(0, len(steps) - length))


def whole_tracks(clip: Clip, window: int) -> list[tuple[Cut, slice]]:
    """Return each track of a clip in the pieces that the running model's staggered window sees.

    With each piece comes the slice of its steps (after the lead) that are answered from it.
    """
    half = window // 2
    pieces: list[tuple[Cut, slice]] = []
    for first, stop in clip.tracks():
        count = stop - first
        # As in `ring_buffers.window`: two hidden states are reset alternately, and the older one answers.
        start, answered, begins_period = 0, 0, True
        while answered < count:
            end = min(start + window, count)
            lead = min(start, HISTORY_STEPS - 1)
            cut = Cut(clip, np.arange(first + start - lead, first + end, dtype=np.int64), lead)
            pieces.append((cut, slice(answered - start, end - start)))
            start += half if begins_period else window - half
            answered, begins_period = end, not begins_period
    return pieces


def sequences(
    cuts: Sequence[Cut],
    window: int,
    rng: np.random.Generator | None = None,
    unseen_share: float = 0.0,
) -> Tensors:
    """Return features and targets of sequences, padded at the end to `window` steps.

    Geometry looks back into the lead, as it does live; the network does not. RoI features come from the clips'
    files, if there are any.
    """
    count, longest = len(cuts), max(len(cut.steps) for cut in cuts)
    keypoints = np.zeros((count, longest, 17, 3), np.float32)
    boxes = np.zeros((count, longest, 4), np.float32)
    times = np.zeros((count, longest), np.int64)
    # The steps of each row's sequence; padding repeats the last.
    place = np.zeros((count, window), np.int64)
    lengths = np.array([len(cut.steps) - cut.lead for cut in cuts], np.int64)
    for row, cut in enumerate(cuts):
        seen, size = cut.clip.seen, len(cut.steps)
        rows = cut.clip.rows[cut.steps]
        if seen.has_keypoints:
            keypoints[row, :size] = seen.keypoints[cut.steps]
        boxes[row, :size], times[row, :size] = seen.box[rows], seen.time_us[rows]
        times[row, size:] = times[row, size - 1]
        place[row] = np.minimum(np.arange(window) + cut.lead, size - 1)
    geometry = sequence_features(keypoints, boxes, times)  # without keypoints, no network reads it
    each = np.arange(count)[:, None]
    own = times[each, place]
    real = np.arange(window) < lengths[:, None]
    seconds = np.diff(own, axis=1, prepend=own[:, :1]) * 1e-6
    taken = [cut.steps[place[row]] for row, cut in enumerate(cuts)]

    def gathered(name: str) -> NDArray:
        return np.stack([getattr(cut.clip.labels, name)[steps] for cut, steps in zip(cuts, taken, strict=True)])

    excluded = None
    if any(cut.clip.labels.excluded is not None for cut in cuts):
        excluded = torch.from_numpy(np.where(real, np.stack([*map(_excluded, cuts, taken)]), -1))
    states = torch.from_numpy(gathered("states"))
    present = np.stack([cut.clip.present[steps] for cut, steps in zip(cuts, taken, strict=True)])
    return Tensors(
        parts=torch.from_numpy(geometry.parts[each, place]),
        context=torch.from_numpy(geometry.context[each, place]),
        present=torch.from_numpy(present & real[..., None]),
        dt=torch.from_numpy(np.clip(seconds, 0, 2).astype(np.float32)),
        action=torch.from_numpy(np.where(real, gathered("action"), -1)),
        states=states,
        states_known=torch.from_numpy(gathered("states_known") & real[..., None])[..., None].expand(states.shape),
        relevance=torch.from_numpy(gathered("relevance")),
        relevance_known=torch.from_numpy(gathered("relevance_known") & real[..., None]),
        real=torch.from_numpy(real),
        last=torch.from_numpy(lengths - 1),
        visual=_visual(cuts, taken, real, rng, unseen_share),
        excluded=excluded,
    )


def _excluded(cut: Cut, steps: Integers) -> Integers:
    """Return the actions that steps do not show, −1 for none."""
    excluded = cut.clip.labels.excluded
    return np.full(len(steps), -1, np.int64) if excluded is None else excluded[steps]


def walk_back(rng: np.random.Generator, last: int, most: int) -> Integers:
    """Return up to `most` of the steps 0 to `last`, ascending, including the last.

    Three in ten sequences have half the rate, and half of them miss steps at random or in bursts, as in
    `training.synthetic.sequences.generator.draw_times`.
    """
    gaps = np.full(most - 1, 2 if rng.random() < 0.3 else 1)
    share = rng.uniform(0.0, 0.5) if rng.random() < 0.5 else 0.0
    gaps *= 1 + (rng.random(most - 1) < share) * rng.geometric(0.6, most - 1)
    steps = last - np.concatenate([[0], np.cumsum(gaps)])
    return steps[steps >= 0][::-1].astype(np.int64)


def _visual(
    cuts: Sequence[Cut],
    taken: Sequence[Integers],
    real: NDArray[np.bool_],
    rng: np.random.Generator | None,
    unseen_share: float,
) -> VisualInput | None:
    shown = np.ones(len(cuts), bool) if rng is None else rng.random(len(cuts)) >= unseen_share
    parts: list[torch.Tensor] = []
    objects: list[torch.Tensor] = []
    for cut, steps in zip(cuts, taken, strict=True):
        if cut.clip.features is None:
            return None
        first = int(steps[0])
        found = read_roi(cut.clip.features, first, int(steps[-1]) + 1)
        rows = torch.from_numpy(steps - first)
        parts.append(found.parts[rows].float())
        objects.append(found.objects[rows].float())
    return VisualInput(torch.cat(parts), torch.cat(objects), torch.from_numpy((real & shown[:, None]).ravel()))
