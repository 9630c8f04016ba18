"""Batches of a run: generated sequences, sequences of a folder's videos, or both in each batch.

Generated sequences are pooled and reused, because generating one costs more than learning from it. The state can be
saved and restored, so that a resumed run sees the same batches as an uninterrupted one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import FolderSource
from training.annotated_videos.picture_source import PictureSource
from training.annotated_videos.prefetching import Prefetcher
from training.sequences.features import to_tensors
from training.sequences.source import Source
from training.sequences.tensors import Tensors, joined
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
    ) -> None:
        """`motions`: the folder of motion clips; `clips`: the training videos of a data folder.

        Raises ValueError if the vocabulary lacks a generated action, or no video has a known person.
        """
        data = config.data
        self._window, self._reuse, self._device = data.window, data.reuse, device
        self._balanced = config.actions.balance == "sampling"
        self._of_folder = folder_rows(config)
        self._generated = data.batch - self._of_folder
        self.generator = Generator(motions, vocabulary, config.seed) if self._generated else None
        self.folder: Source | None = None
        self._pictures: PictureSource | None = None
        if self._of_folder:
            source = FolderSource(clips, config.seed, balanced=self._balanced, unseen_share=data.visual_dropout)
            if not len(source):
                raise ValueError("no training video shows a person with a known action or state")
            self.folder = source
            if config.model.vgg.tuned:
                vgg = config.model.vgg
                self._pictures = PictureSource(
                    source, short_side=vgg.short_side, crop=vgg.crop, unseen_share=data.visual_dropout
                )
                self.folder = Prefetcher(self._pictures)
        self.pool: deque[tuple[dict[str, Any], Tensors]] = deque(maxlen=data.pool)
        """Recent generated rows, each with the generator's state before them, to generate them again."""

    @property
    def lost(self) -> dict[str, str]:
        """Videos that could no longer be read and are left out, with the reason; only with a tuned extractor."""
        return {} if self._pictures is None else dict(self._pictures.lost)

    def next(self, step: int) -> Tensors:
        """Return the batch of a step, on the device."""
        return self._with_folder(None if self.generator is None else self._pooled(self.generator, step))

    def fresh(self) -> Tensors:
        """Return a batch without using the pool."""
        return self._with_folder(None if self.generator is None else self._make(self.generator))

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {
            "generator": None if self.generator is None else self.generator.state(),
            "pool": [state for state, _ in self.pool],
            "folder": None if self.folder is None else self.folder.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state; the pool's rows are generated again."""
        self.pool.clear()
        if self.generator is not None:
            for before in state["pool"]:
                self.generator.restore(before)
                self.pool.append((before, self._make(self.generator)))
            self.generator.restore(state["generator"])
        if self.folder is not None:
            self.folder.restore(state["folder"])

    def _pooled(self, generator: Generator, step: int) -> Tensors:
        if step % self._reuse and len(self.pool) > 1:
            return self.pool[int(torch.randint(len(self.pool), ()))][1]
        self.pool.append((generator.state(), self._make(generator)))
        return self.pool[-1][1]

    def _make(self, generator: Generator) -> Tensors:
        make = generator.balanced_batch if self._balanced else generator.batch
        return to_tensors(make(self._generated, self._window)).to(self._device)

    def _with_folder(self, generated: Tensors | None) -> Tensors:
        if self.folder is None:
            assert generated is not None
            return generated
        watched = self.folder.batch(self._of_folder, self._window).to(self._device)
        return watched if generated is None else joined(generated, watched)


def generates(config: TrainingConfig) -> bool:
    """Return whether a batch has generated sequences."""
    return folder_rows(config) < config.data.batch


def folder_rows(config: TrainingConfig) -> int:
    """Return how many of a batch's sequences come from the folder; each source with a share has at least one."""
    data = config.data
    if data.folder is None:
        return 0
    return data.batch if data.folder_share == 1 else min(max(1, round(data.folder_share * data.batch)), data.batch - 1)
