"""The folder that `predict` writes: one file per video during the run, and at its end the benchmark's two files.

    OUT/videos/<video>.json       a `VideoAnswer`, written atomically
    OUT/pred_vid_result.json      } assembled from the videos' files at the end of each run
    OUT/pred_part_result.json     }
    OUT/online.json               } the answers over time, for `evaluate --observed`

A stopped run resumes: videos with a file are skipped, except those with an error, which may have been fixed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from training.benchmark.observed_answers import Answer
from training.benchmark.predicted_answers import PredictedFrame
from training.benchmark.submission import PREDICTION_FILES
from training.kinetics_tps.dataset import DatasetError
from training.kinetics_tps.write import write_whole

ONLINE_FILE = "online.json"
_VIDEOS = "videos"


class AnswerError(RuntimeError):
    """The folder cannot be used or written; the message says what to do."""


class MadeWith(msgspec.Struct, frozen=True):
    """What the answers depend on. Answers with different values cannot be mixed in one file."""

    weights: str
    """`sha256:…` of the checkpoint."""
    every: int
    detector_size: tuple[int, int] | None


class VideoAnswer(msgspec.Struct, frozen=True):
    """The answer for one video."""

    action: str
    frames: dict[str, PredictedFrame]
    """By the frame's file name, `img_00001.json`."""
    online: list[Answer]
    """[seconds, class so far, score] for each frame."""
    error: str | None
    """Why not all of the video was read, or None."""
    made_with: MadeWith


class _RawAnswer(msgspec.Struct):
    """A `VideoAnswer` whose larger fields are copied without decoding them."""

    action: str
    frames: msgspec.Raw
    online: msgspec.Raw
    error: str | None
    made_with: MadeWith


class AnswerFolder:
    """`predict --out`. Every method raises `AnswerError`."""

    def __init__(self, path: Path, made_with: MadeWith) -> None:
        self.path = path
        self._made_with = made_with

    def answered(self, names: Sequence[str]) -> set[str]:
        """Return the videos that have a complete answer. Raises for answers of another model or other options."""
        found: set[str] = set()
        for name in names:
            head = self._read(name)
            if head is None:
                continue
            if head.made_with != self._made_with:
                raise AnswerError(
                    f"{self.path}: holds answers with {_described(head.made_with)}, and this run has "
                    f"{_described(self._made_with)}; use another folder, or --force to replace them"
                )
            if head.error is None:
                found.add(name)
        return found

    def keep(self, name: str, answer: VideoAnswer) -> None:
        """Write one video's answer."""
        self._write(self._file(name), msgspec.json.encode(answer))

    def assemble(self, names: Sequence[str]) -> None:
        """Write the benchmark's files and the answers over time for these videos, which must all have an answer."""
        actions: dict[str, str] = {}
        frames: dict[str, msgspec.Raw] = {}
        online: dict[str, msgspec.Raw] = {}
        for name in names:
            answer = self._read(name)
            if answer is None:
                raise AnswerError(f"{self._file(name)}: can't be read back; run predict again")
            # Copies: a Raw would keep its whole file in memory.
            actions[name], frames[name], online[name] = answer.action, answer.frames.copy(), answer.online.copy()
        video_file, part_file = PREDICTION_FILES
        for file, content in ((video_file, actions), (part_file, frames), (ONLINE_FILE, online)):
            self._write(self.path / file, msgspec.json.encode(content))

    def _read(self, name: str) -> _RawAnswer | None:
        """Return a video's answer; None for an unreadable file too, so that it is replaced."""
        try:
            return msgspec.json.decode(self._file(name).read_bytes(), type=_RawAnswer)
        except (OSError, msgspec.MsgspecError):
            return None

    def _file(self, name: str) -> Path:
        return self.path / _VIDEOS / f"{name}.json"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_whole(path, content)
        except DatasetError as error:
            raise AnswerError(str(error)) from None


def _described(made: MadeWith) -> str:
    size = "the model's own size" if made.detector_size is None else "{}x{}".format(*made.detector_size)
    return f"weights {made.weights[:19]}…, every {made.every} frames, pictures of {size}"
