"""The file descriptors that this process may have."""

from __future__ import annotations

import errno
import os
import resource

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE))
"""Errors of a process or host without a free descriptor."""
MOST = 65_536
"""The limit is not raised above this: some programs that are started go through all possible descriptors."""


def raise_limit() -> None:
    """Raise the number of descriptors that this process may have: to the hard limit, or `MOST`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def require(number: int) -> None:
    """Raise OSError unless this many are free, for what does not clean up after it has taken only some of them."""
    taken: list[int] = []
    try:
        for _ in range(number):
            taken.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - kept where one fails, to be closed
    finally:
        for descriptor in taken:
            os.close(descriptor)
