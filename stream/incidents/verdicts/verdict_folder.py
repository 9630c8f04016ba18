"""The folder of verdicts: clips that training may need are kept beside the verdicts on them.

Clips are hard links where the recorder's directory is on the same disk, so that they take no space until the recorder
deletes its own. Otherwise they are copied. A clip is deleted after the last verdict on it. A clip on which there is no
verdict when the folder is read is only named: perhaps its verdicts are elsewhere.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from stages.verdicts import verdict_file
from stages.verdicts.verdict_file import Verdict, VerdictFileError
from stream import file_lock
from stream.settings import files
from stream.settings.files import sync
from stream.settings.recording import VerdictsConfig

logger = logging.getLogger(__name__)

CROSS_DEVICE = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)
"""Errors of `os.link` after which a copy may still be possible."""
MOST_LOG_BYTES = 16 << 20
"""Size at which the log is renamed, which replaces the one before: some 100,000 changes in two files."""
LOCK = "verdicts.lock"
MOST_NAMED = 100
"""Damaged files that are named."""


class VerdictFolder:
    """The verdicts in one directory. Not thread-safe, except for its attributes. After changes, call `delete_unused`.

    Methods block, and raise OSError if the disk does not work.
    """

    def __init__(self, directory: Path, config: VerdictsConfig) -> None:
        self.directory = directory
        self._lock: int | None = None
        self._locks = config.directory is not None  # otherwise it is in `incidents.directory`, which has a lock
        self.damaged: list[str] = []
        """What is wrong with files that are not used. They are not changed."""
        self.counts: tuple[int, int] | None = None
        """The numbers of verdicts and of clips; None until the directory was read."""
        self.message = ""
        """Why the directory could not be read."""
        self._budget = int(config.budget)
        self._least_free = int(config.least_free)
        self._clips: Counter[str] | None = None
        """How many verdicts each clip has; None until the directory was read."""
        self._bytes = 0
        """Size of the clips and verdicts."""

    def read(self) -> Counter[str]:
        """Read the directory unless it was read before. Return how many verdicts each clip has."""
        if self._clips is None:
            try:
                self._clips = self._read()
            except OSError as error:
                self.message = f"{self.directory} cannot be used: {error.strerror}"
                raise
            self.message = ""
            self._count()
        return self._clips

    def put(self, verdict: Verdict, recorded: Path) -> None:
        """Keep a verdict and its clip, of which `recorded` has the files.

        Raises FileNotFoundError if the clip is gone, and ValueError if the verdict is invalid; no verdict is changed
        after an error.
        """
        clips, text = self.read(), verdict_file.encode(verdict)
        self._make()
        new_clip = not self.has_clip(verdict.clip)
        sources = [recorded / (verdict.clip + ending) for ending in verdict_file.CLIP_ENDINGS] if new_clip else []
        needed = sum(source.stat().st_size for source in sources)
        needed += 0 if self.has_label(verdict.id) else len(text)
        if needed and self._bytes + needed > self._budget:
            raise OSError(errno.EDQUOT, "the verdicts and their clips would exceed verdicts.budget")
        clips[verdict.clip] += 0
        if new_clip:
            self._keep_clip(verdict.clip, sources)
        self._write(verdict, text)

    def remove(self, name: str) -> None:
        """Delete the verdict on this alert or event, if there is one."""
        before = self.get(name)
        if before is None:
            return
        clips, path = self.read(), verdict_file.label_path(self.directory, name)
        size = _size(path)
        path.unlink(missing_ok=True)
        self._bytes -= size
        clips[before.clip] -= 1

    def delete_unused(self) -> None:
        """Delete clips without a verdict. They are kept until then, so that a change can be undone."""
        if self._clips is None:
            return
        for clip in [clip for clip, count in self._clips.items() if count <= 0]:
            del self._clips[clip]
            self._delete_clip(clip)
        self._count()

    def get(self, name: str) -> Verdict | None:
        """Return the verdict on this alert or event; None if there is none, or if its file is damaged."""
        path = verdict_file.label_path(self.directory, name)
        if not path.exists():
            return None
        try:
            return verdict_file.read(path)
        except VerdictFileError as error:
            self._note_damaged(str(error))
            return None

    def has_label(self, name: str) -> bool:
        """Return whether there is a verdict on this alert or event, perhaps a damaged one. From any thread."""
        return verdict_file.label_path(self.directory, name).exists()

    def has_clip(self, clip: str) -> bool:
        """Return whether this clip is in the folder."""
        return all(map(_is_file, verdict_file.clip_paths(self.directory, clip)))

    def restore(self, name: str, verdict: Verdict | None) -> None:
        """Undo a change that could not be completed, as far as the disk permits."""
        with suppress(OSError):
            if verdict is None:
                self.remove(name)
            else:
                self._write(verdict, verdict_file.encode(verdict))

    def log(self, line: Mapping[str, object]) -> None:
        """Append a line about a change. An error is logged: the change was made, and the verdict says who and when."""
        path, text = self.directory / verdict_file.LOG, msgspec.json.encode(line) + b"\n"
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _size(path) + len(text) > MOST_LOG_BYTES:
                path.replace(self.directory / verdict_file.EARLIER_LOG)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(path, flags, 0o600)
            try:
                os.write(descriptor, text)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            logger.error("verdicts: %s cannot be written: %s", path, error.strerror)

    def _read(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        size, clips = 0, set[str]()
        for folder in (verdict_file.CLIPS, verdict_file.LABELS):
            with suppress(FileNotFoundError), os.scandir(self.directory / folder) as entries:
                for entry in entries:
                    size += entry.stat(follow_symlinks=False).st_size
                    if folder == verdict_file.CLIPS and Path(entry.name).suffix in verdict_file.CLIP_ENDINGS:
                        clips.add(Path(entry.name).stem)
        damaged = False
        for one in verdict_file.read_all(self.directory):
            if isinstance(one, Verdict):
                counted[one.clip] += 1
            else:
                damaged = True
                self._note_damaged(str(one))
        for clip in [] if damaged else sorted(clips - counted.keys()):  # a damaged verdict may be on any of them
            self._note_damaged(f"{clip}: there is no verdict on this clip")
        self._bytes = size
        return counted

    def hold(self) -> None:
        """Keep other engines from using the directory. May be called again. Raises `InUseError`, `OSError`."""
        if self._locks and self._lock is None:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = file_lock.held(self.directory / LOCK)

    def close(self) -> None:
        """Let another engine use the directory. May be called again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make(self) -> None:
        self.hold()
        for folder in (verdict_file.CLIPS, verdict_file.LABELS):
            (self.directory / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.directory / verdict_file.LAYOUT).exists():
            files.replace(self.directory / verdict_file.LAYOUT, verdict_file.layout())

    def _write(self, verdict: Verdict, text: str) -> None:
        clips, before = self.read(), self.get(verdict.id)
        path = verdict_file.label_path(self.directory, verdict.id)
        size = _size(path)
        files.replace(path, text)
        self._bytes += _size(path) - size
        clips[verdict.clip] += 1
        if before is not None:
            clips[before.clip] -= 1

    def _count(self) -> None:
        clips = self._clips or Counter()
        self.counts = (clips.total(), len(clips))

    def _note_damaged(self, text: str) -> None:
        if text in self.damaged or len(self.damaged) > MOST_NAMED:
            return
        self.damaged.append(text if len(self.damaged) < MOST_NAMED else "there are more, which are not named")
        logger.error("verdicts: %s; the file is kept, but not used", self.damaged[-1])

    def _keep_clip(self, clip: str, sources: Sequence[Path]) -> None:
        size = self._clip_bytes(clip)
        try:
            for source, path in zip(sources, verdict_file.clip_paths(self.directory, clip), strict=True):
                path.unlink(missing_ok=True)
                self._link(source, path)
        except OSError:
            self._unlink(clip)
            raise
        finally:
            self._bytes += self._clip_bytes(clip) - size

    def _link(self, source: Path, path: Path) -> None:
        try:
            os.link(source, path)
        except OSError as error:
            if error.errno not in CROSS_DEVICE:
                raise
        else:
            return
        if shutil.disk_usage(path.parent).free - source.stat().st_size < self._least_free:
            raise OSError(errno.ENOSPC, "less than verdicts.least_free is free on the disk")
        part = path.with_name(path.name + ".part")
        try:
            shutil.copyfile(source, part)
            part.chmod(0o600)
            sync(part)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    def _delete_clip(self, clip: str) -> None:
        size = self._clip_bytes(clip)
        self._unlink(clip)
        self._bytes += self._clip_bytes(clip) - size

    def _unlink(self, clip: str) -> None:
        for path in reversed(verdict_file.clip_paths(self.directory, clip)):
            with suppress(OSError):  # it counts towards the budget until it can be deleted
                path.unlink(missing_ok=True)

    def _clip_bytes(self, clip: str) -> int:
        return sum(map(_size, verdict_file.clip_paths(self.directory, clip)))


def _size(path: Path) -> int:
    """Return the size in bytes, of a link its own; 0 if there is no such file."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _is_file(path: Path) -> bool:
    """Return whether there is a regular file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
