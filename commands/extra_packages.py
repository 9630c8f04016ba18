"""The command that installs the packages of an optional feature."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]


def install_command(extra: str, checkout: Path = _CHECKOUT) -> str:
    """Return the shell command that adds an extra of pyproject.toml to the running Python's packages.

    In a checkout it installs from there, because the distribution may not be in the package index.
    """
    here = Path.cwd()
    python = Path(sys.executable)
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    if not (checkout / "pyproject.toml").is_file():
        return f'{shlex.quote(str(shown))} -m pip install "partstream[{extra}]"'
    folder = "." if checkout == here else checkout
    return f'{shlex.quote(str(shown))} -m pip install -e "{folder}[{extra}]"'
