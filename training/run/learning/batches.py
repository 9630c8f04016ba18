"""Batches of a run: each has sequences of every source of the configuration, by its share.

The state can be saved and restored, so that a resumed run sees the same batches as an uninterrupted one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import torch

from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import FolderSource
from training.sequences import Source, Tensors, joined, to_tensors
from training.settings.run_config import TrainingConfig
from training.synthetic.sequences.generator import Generator


class Batches:
    """The batches of a run."""

    def __init__(
        self,
        config: TrainingConfig,
        motions: Path,
        vocabulary: Vocabulary,
        clips: Sequence[Clip],
        device: torch.device,
        recorded: Mapping[str, Source] | None = None,
        generated: Vocabulary | None = None,
    ) -> None:
        """`motions`: the folder of motion clips; `clips`: the training videos of a data folder; `recorded`: sources of
        recorded motion and clips by name; `generated`: the vocabulary of generated motion, if it is a part of
        `vocabulary`.

        Raises ValueError if the vocabulary lacks a generated action, or no video has a known person.
        """
        data = config.data
        self._window, self._device = data.window, device
        self.rows = rows_by_source(config, None if recorded is None else recorded.keys())
        """Sequences of each source in a batch."""
        self.sources: dict[str, Source] = {name: recorded[name] for name in self.rows if recorded and name in recorded}
        balanced = config.actions.balance == "sampling"
        if "folder" in self.rows:
            self.sources["folder"] = self._folder(config, clips, balanced)
        if "generated" in self.rows:
            self.sources["generated"] = Generated(
                motions,
                generated or vocabulary,
                config.seed,
                balanced=balanced,
                reuse=data.reuse,
                pool=data.pool,
                partial=generated is not None or bool(data.without_actions),
            )
        lacking = self.rows.keys() - self.sources.keys()
        if lacking:
            raise ValueError(f"data.recorded: there is no source for {', '.join(sorted(lacking))}")

    def _folder(self, config: TrainingConfig, clips: Sequence[Clip], balanced: bool) -> Source:
        unseen_share = config.data.visual_dropout
        source = FolderSource(clips, config.seed, balanced=balanced, unseen_share=unseen_share)
        if not len(source):
            raise ValueError(
                "no training video shows a person with a known action or state; check that the annotated boxes enclose "
                "the people and that the vocabulary has the actions"
            )
        return source

    def place(self, name: str) -> slice:
        """Return the rows of a source in a batch."""
        before = sum(self.rows[other] for other in list(self.rows)[: list(self.rows).index(name)])
        return slice(before, before + self.rows[name])

    def next(self) -> Tensors:
        """Return the next batch, on the device."""
        return self._joined({name: source.batch(self.rows[name], self._window) for name, source in self._in_order()})

    def fresh(self) -> Tensors:
        """Return a batch without reused sequences, on the device."""
        return self._joined({name: source.fresh(self.rows[name], self._window) for name, source in self._in_order()})

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {name: source.state() for name, source in self.sources.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        for name, source in self.sources.items():
            source.restore(state[name])

    def _in_order(self) -> list[tuple[str, Source]]:
        return [(name, self.sources[name]) for name in self.rows]

    def _joined(self, made: dict[str, Tensors]) -> Tensors:
        return reduce(joined, made.values()).to(self._device)


def rows_by_source(config: TrainingConfig, available: Collection[str] | None = None) -> dict[str, int]:
    """Return how many of a batch's sequences come from each source; each source with a share has at least one.

    Arguments and sources are those of `generates`. Raises ValueError for a batch that is too small.
    """
    batch = config.data.batch
    rows = {name: max(1, round(share * batch)) for name, share in _shares(config, available).items()}
    # Rounding is made good where it changes the least.
    largest = max(rows, key=lambda name: rows[name])
    rows[largest] += batch - sum(rows.values())
    if rows[largest] < 1:
        raise ValueError(f"data.batch: {batch} sequences are too few for {len(rows)} sources; set at least {len(rows)}")
    return dict(sorted(rows.items(), key=lambda entry: entry[0] != "generated"))


def generates(config: TrainingConfig, available: Collection[str] | None = None) -> bool:
    """Return whether a batch has generated sequences.

    Sources: `generated`, `folder`, the name of the section of clips (`DataConfig.clips`), and those of recorded motion.
    `available`: the last two that have data, by default all; the others' shares are generated.
    """
    return "generated" in _shares(config, available)


def _shares(config: TrainingConfig, available: Collection[str] | None) -> dict[str, float]:
    """Return the share of each source that has one."""
    data = config.data
    shares = data.recorded.shares
    if data.clips is not None:
        shares |= {data.clips.name: data.clips.share}
    shares = {name: share for name, share in shares.items() if available is None or name in available}
    rest = max(0.0, 1 - sum(shares.values()))
    if data.folder is not None:
        shares |= {"folder": rest * data.folder_share, "generated": rest * (1 - data.folder_share)}
    else:
        shares["generated"] = rest
    return {name: share for name, share in shares.items() if share > 1e-9}


class Generated(Source):
    """Generated sequences, pooled and reused, because generating one costs more than learning from it.

    `reuse`: how often a batch is used on average; `pool`: batches kept for that.
    """

    def __init__(
        self,
        motions: Path,
        vocabulary: Vocabulary,
        seed: int,
        *,
        balanced: bool = False,
        reuse: int = 1,
        pool: int = 1,
        partial: bool = False,
    ) -> None:
        """`motions`: the folder of motion clips. `balanced`: equally many sequences end with each action. `partial`:
        the vocabulary may lack generated actions, which are then unknown.

        Raises ValueError if the vocabulary lacks a generated action all the same.
        """
        super().__init__(seed)
        self.generator = Generator(motions, vocabulary, seed, partial=partial)
        self._balanced, self._reuse = balanced, reuse
        self._taken = 0
        self._pool: deque[tuple[dict[str, Any], int, int, Tensors]] = deque(maxlen=pool)
        """Recent batches, each with the generator's state before it, its count and its window, to make it again."""

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, new or from the pool."""
        self._taken += 1
        if (self._taken - 1) % self._reuse and len(self._pool) > 1:
            # Draws from the generator's own random state, which is saved.
            return self._pool[int(self.generator.rng.integers(len(self._pool)))][-1]
        before = self.generator.state()
        self._pool.append((before, count, window, self.fresh(count, window)))
        return self._pool[-1][-1]

    def fresh(self, count: int, window: int) -> Tensors:
        """Return new sequences without using the pool."""
        make = self.generator.balanced_batch if self._balanced else self.generator.batch
        return to_tensors(make(count, window))

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {
            "generator": self.generator.state(),
            "taken": self._taken,
            "pool": [list(entry[:-1]) for entry in self._pool],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state; the pool's batches are generated again."""
        self._pool.clear()
        for before, count, window in state["pool"]:
            self.generator.restore(before)
            self._pool.append((before, count, window, self.fresh(count, window)))
        self.generator.restore(state["generator"])
        self._taken = state["taken"]
