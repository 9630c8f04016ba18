"""Profiler: what the thread that runs the model, and its device, spend their time on, by torch's own profiler.

Begun and ended in that thread, between two batches; written to a file by any other. One at a time in a process.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from stages.device import stage_timer


class Profiler:
    """One profile, from `begin` to `end`; then `write` has it on the disk."""

    def __init__(self) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._activities = activities
        self._profile = profile(activities=activities)

    def prepare(self) -> None:
        """Load what profiling needs, about a second the first time, in a thread that isn't the model's."""
        with profile(activities=self._activities):
            pass

    def begin(self) -> None:
        """In the model's thread: from here on every operator is noted, about a tenth slower."""
        self._profile.start()
        stage_timer.show_stages(True)

    def end(self) -> None:
        """In the model's thread: note no more. Takes about 6 ms a batch of the edge profile: batches wait so long."""
        stage_timer.show_stages(False)
        self._profile.stop()

    def write(self, path: Path) -> None:
        """As a Chrome trace, for https://ui.perfetto.dev; compressed if the name ends in `.gz`. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._profile.export_chrome_trace(str(path))
