"""The folder of verdicts: clips that training may need are kept beside the verdicts on them.

Clips are hard links where the recorder's directory is on the same disk, so that they take no space until the recorder
deletes its own. Otherwise they are copied. A clip is deleted after the last verdict on it.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from stages.verdicts import verdict_file
from stages.verdicts.verdict_file import Verdict, VerdictFileError
from stream.recording.library import sync
from stream.settings import private_file
from stream.settings.incidents.verdicts import VerdictsConfig

logger = logging.getLogger(__name__)

CROSS_DEVICE = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)
"""Errors of `os.link` after which a copy may still be possible."""


class VerdictFolder:
    """The verdicts in one directory. Not thread-safe. After changes, call `delete_unused`.

    Methods block, and raise OSError if the disk does not work.
    """

    def __init__(self, directory: Path, config: VerdictsConfig) -> None:
        self.directory = directory
        self.damaged: list[str] = []
        """Why files that should be verdicts are not; they are left as they are."""
        self._budget = int(config.budget)
        self._least_free = int(config.least_free)
        self._clips: Counter[str] | None = None
        """How many verdicts each clip has; None until the directory was read."""

    def put(self, verdict: Verdict, recorded: Path) -> None:
        """Keep a verdict and its clip, of which `recorded` has the files.

        Raises FileNotFoundError if the clip is gone; no verdict is changed after an error.
        """
        clips, before = self._open(), self.get(verdict.id)
        text = verdict_file.encode(verdict)
        clips[verdict.clip] += 0
        if not self.has_clip(verdict.clip):
            self._keep_clip(verdict.clip, recorded)
        private_file.replace(verdict_file.label_path(self.directory, verdict.id), text)
        clips[verdict.clip] += 1
        if before is not None:
            clips[before.clip] -= 1

    def remove(self, name: str) -> None:
        """Delete the verdict on this alert or event, if there is one."""
        before = self.get(name)
        if before is None:
            return
        clips = self._open()
        verdict_file.label_path(self.directory, name).unlink(missing_ok=True)
        clips[before.clip] -= 1

    def delete_unused(self) -> None:
        """Delete clips without a verdict. They are kept until then, so that a change can be undone."""
        clips = self._clips or Counter()
        for clip in [clip for clip, count in clips.items() if count <= 0]:
            del clips[clip]
            self._delete_clip(clip)

    def get(self, name: str) -> Verdict | None:
        """Return the verdict on this alert or event; None if there is none, or if its file is damaged."""
        path = verdict_file.label_path(self.directory, name)
        if not path.exists():
            return None
        try:
            return verdict_file.read(path)
        except VerdictFileError as error:
            self._note_damaged(error)
            return None

    def has_label(self, name: str) -> bool:
        """Return whether there is a verdict on this alert or event, perhaps a damaged one. From any thread."""
        return verdict_file.label_path(self.directory, name).exists()

    def has_clip(self, clip: str) -> bool:
        """Return whether this clip is in the folder."""
        return all(path.exists() for path in verdict_file.clip_paths(self.directory, clip))

    def counts(self) -> tuple[int, int]:
        """Return the numbers of verdicts and of clips."""
        clips = self._open()
        return clips.total(), len(clips)

    def restore(self, name: str, verdict: Verdict | None) -> None:
        """Undo a change that could not be completed, as far as the disk permits."""
        with suppress(OSError):
            if verdict is None:
                self.remove(name)
            else:
                self.put(verdict, self.directory)

    def log(self, line: Mapping[str, object]) -> None:
        """Append a line about a change. An error is logged: the change was made, and the verdict says who and when."""
        path = self.directory / verdict_file.LOG
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, msgspec.json.encode(line) + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            logger.error("verdicts: %s cannot be written: %s", path, error.strerror)

    def _open(self) -> Counter[str]:
        """Return how many verdicts each clip has, for which the directory is read once."""
        if self._clips is None:
            for folder in (verdict_file.CLIPS, verdict_file.LABELS):
                (self.directory / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
            if not (self.directory / verdict_file.LAYOUT).exists():
                private_file.replace(self.directory / verdict_file.LAYOUT, verdict_file.layout())
            counted: Counter[str] = Counter()
            for one in verdict_file.read_all(self.directory):
                if isinstance(one, Verdict):
                    counted[one.clip] += 1
                else:
                    self._note_damaged(one)
            self._clips = counted
        return self._clips

    def _note_damaged(self, error: VerdictFileError) -> None:
        if str(error) not in self.damaged:
            self.damaged.append(str(error))
            logger.error("verdicts: %s; the file is left as it is, and is not used", error)

    def _keep_clip(self, clip: str, recorded: Path) -> None:
        sources = [recorded / (clip + ending) for ending in verdict_file.CLIP_ENDINGS]
        needed = sum(source.stat().st_size for source in sources)
        folder = self.directory / verdict_file.CLIPS
        used = sum(entry.stat().st_size for entry in os.scandir(folder))
        if used + needed > self._budget:
            raise OSError(errno.EDQUOT, "the clips of verdicts would exceed verdicts.budget")
        try:
            for source, path in zip(sources, verdict_file.clip_paths(self.directory, clip), strict=True):
                path.unlink(missing_ok=True)
                self._link(source, path)
        except OSError:
            self._delete_clip(clip)
            raise

    def _link(self, source: Path, path: Path) -> None:
        try:
            os.link(source, path)
        except OSError as error:
            if error.errno not in CROSS_DEVICE:
                raise
        else:
            return
        if shutil.disk_usage(path.parent).free < self._least_free:
            raise OSError(errno.ENOSPC, "less is free on the disk than verdicts.least_free")
        part = path.with_name(path.name + ".part")
        try:
            shutil.copyfile(source, part)
            part.chmod(0o600)
            sync(part)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    def _delete_clip(self, clip: str) -> None:
        for path in reversed(verdict_file.clip_paths(self.directory, clip)):
            with suppress(OSError):  # it counts towards the budget until it can be deleted
                path.unlink(missing_ok=True)
