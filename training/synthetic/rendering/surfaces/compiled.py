"""Compiling the renderer's inner loops with numba, which caches them beside the source or in the user's cache
folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
except ImportError as error:
    raise ImportError("drawing people needs numba: install partstream with the extra `train`") from error

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile the function for its arguments' types at the first call. Arrays must be C-contiguous."""
    return cast(F, numba.njit(cache=True)(function))
