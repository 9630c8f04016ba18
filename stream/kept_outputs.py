"""What an engine keeps of what it publishes: the results file, clips, alerts and events with pictures, and verdicts."""

from __future__ import annotations

import asyncio
import time

from stream.config import Config
from stream.incidents.pictures import FramePictures, MemoryPictures
from stream.incidents.store import make_store
from stream.incidents.verdicts.verdict_desk import make_desk
from stream.messaging.publisher import Publisher
from stream.messaging.results_file import ResultsFile
from stream.privacy.known_privacy import KnownPrivacy
from stream.recording.recorder import Recorder


class KeptOutputs:
    """The outputs of one engine that are configured. They end with the engine."""

    def __init__(self, config: Config, publisher: Publisher, privacy: KnownPrivacy) -> None:
        clips = config.recording.directory
        self.recorder = Recorder(config.recording, clips, publisher) if clips is not None else None
        """The recorder of clips; None without recording."""
        self.incidents = make_store(config.incidents, config.recording.actions, self._has_clip)
        """The kept alerts and events; None without a directory for them."""
        library = self.recorder.library if self.recorder is not None else None
        self.verdicts = make_desk(self.incidents, config.incidents, config.verdicts, library, privacy)
        self.pictures = FramePictures(
            self.incidents or MemoryPictures(), config.incidents.width, privacy.permits_picture
        )
        self._results_path = config.results
        self.results_file: ResultsFile | None = None
        """The results file from `open` on; None without `results`."""
        self._publisher = publisher

    def open(self) -> None:
        """Open the results file. Raises `ConfigError`."""
        if self._results_path is not None:
            self.results_file = ResultsFile(self._results_path)

    async def keep_incidents(self) -> None:
        """Take the folders, and keep what is published, except for results and clips. Raises `ConfigError`.

        Before the publisher starts: a reader that asks for alerts of earlier runs while the store is being opened
        would be told that there are none.
        """
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.start)
        if self.incidents is not None:
            await asyncio.to_thread(self.incidents.start)
            self._publisher.keep_in(self.incidents)
        if self.verdicts is not None:
            await asyncio.to_thread(self.verdicts.start)
            self._publisher.on_message(self.verdicts.take)

    def keep_results(self) -> None:
        """Keep results and clips of what is published from now on. Raises `ConfigError`."""
        if self.results_file is not None:
            self._publisher.on_message(self.results_file.write)
        if self.recorder is not None:
            self._publisher.on_message(self.recorder.take)

    async def finish(self, deadline: float) -> None:
        """Finish clips, pictures and the store before `deadline`, monotonic seconds. Nothing more is analysed."""
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.stop, _left(deadline))
        await asyncio.to_thread(self.pictures.close, _left(deadline - 0.2))
        if self.verdicts is not None:
            await asyncio.to_thread(self.verdicts.close)
        if self.incidents is not None:
            await asyncio.to_thread(self.incidents.close, _left(deadline))

    def close(self) -> None:
        """Close the results file. Nothing more is published."""
        if self.results_file is not None:
            self.results_file.close()

    def _has_clip(self, name: str) -> bool:
        return self.recorder is not None and self.recorder.library.clip(name) is not None


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
