"""The limit of file descriptors."""

from __future__ import annotations

import resource

from stream.descriptors import MOST, raise_limit


def test_the_limit_is_raised_to_the_hard_limit_but_not_without_bound() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, before[1]))
    try:
        raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(before[1], MOST), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
