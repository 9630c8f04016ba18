"""The compiler of the renderer's inner loops: numba, which keeps its work beside the source or in the user's cache.

Owns nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
except ImportError as error:
    raise ImportError("drawing people needs numba: install partstream with the extra `train`") from error

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile at the first call for its arguments' types; floats and arrays as `function` says, C-contiguous."""
    return cast(F, numba.njit(cache=True)(function))
