"""Profiles of the model's thread and device, made with torch's profiler.

A profile is started and stopped in the model's thread, between two batches; any other thread may write it to a file.
Only one profile can run in a process at a time.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from stages.device import stage_timer


class Profiler:
    """One profile, from `begin` to `end`; afterwards `write` saves it."""

    def __init__(self) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._activities = activities
        self._profile = profile(activities=activities)
        self._recording = False

    def prepare(self) -> None:
        """Load the profiler's libraries, which takes about a second the first time. Call from another thread."""
        with profile(activities=self._activities):
            pass

    def begin(self) -> None:
        """Start recording every operator, which slows the model by about a tenth. Call in the model's thread."""
        self._profile.start()
        self._recording = True
        stage_timer.show_stages(True)

    def end(self) -> None:
        """Stop recording, if it has begun. Call in the model's thread.

        It blocks the thread for about 6 ms per batch of the edge profile.
        """
        if not self._recording:
            return
        self._recording = False
        stage_timer.show_stages(False)
        self._profile.stop()

    def write(self, path: Path) -> None:
        """Write a Chrome trace for https://ui.perfetto.dev, compressed if the name ends in `.gz`. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._profile.export_chrome_trace(str(path))
