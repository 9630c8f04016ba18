"""The one way to open a file for writing at a path that was configured or given to a command.

Such a path can be a mistake: the video itself, the configuration, a pipe. So nothing but a regular file is opened,
opening never waits, as for the reader of a pipe, and no file is emptied. A file that replaces another one gets its name
when it is complete.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

READABLE_BY_OTHERS, PRIVATE = 0o666, 0o600
"""Permissions of new files; those of the process (`umask`) limit them further."""


class NotOwnFileError(OSError):
    """The path is that of another file, which must not be written; `strerror` names it."""


def opened(path: Path, flags: int, mode: int = READABLE_BY_OTHERS) -> int:
    """Return the descriptor of the regular file at `path`, which is created with `mode` if it is missing.

    `flags` are those of `os.open` for access. Never waits, and never empties the file. Raises `OSError`.
    """
    wanted = flags | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # a pipe may have no reader
    descriptor = os.open(path, wanted & ~os.O_TRUNC, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return descriptor


def check_regular(path: Path) -> None:
    """Raise `OSError` if something other than a regular file is at `path`. Opens nothing."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file")


def same(first: Path, second: Path) -> bool:
    """Return whether two paths name one file, also by links; for missing files, whether the paths lead to one place."""
    try:
        return first.samefile(second)
    except OSError:
        return first.resolve() == second.resolve()


@contextmanager
def replacing(path: Path, read: Iterable[Path] = ()) -> Generator[Path]:
    """Give the path of an unfinished file beside `path`, which gets its name at the end of the block.

    Its folder is created. After an error the unfinished file is removed, and the old one stays. `read`: the files from
    which it is made. Raises `NotOwnFileError` if `path` is one of them, and `OSError` if it cannot be written.
    """
    for other in read:
        if same(path, other):
            raise NotOwnFileError(errno.EINVAL, f"it is read as {other}: choose another file")
    check_regular(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
