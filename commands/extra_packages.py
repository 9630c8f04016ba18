"""The packages of optional features, and the command that installs them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

EXTRAS = {
    "aiomqtt": "notify",
    "apprise": "apprise",
    "cv2": "bench",
    "mmcv": "mmdet",
    "mmdet": "mmdet",
    "mmengine": "mmdet",
    "numba": "train",
    "onnxscript": "export",
    "openvino": "openvino",
    "opentelemetry": "tracing",
    "pyarrow": "archive",
    "ray": "fleet",
    "standardwebhooks": "notify",
    "transformers": "train",
}
"""Modules that a plain installation lacks, and the extra of pyproject.toml that installs each."""

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


def missing_package(error: ImportError) -> str | None:
    """Return how to install the optional package whose absence caused an error; None if it is no such package."""
    cause: BaseException | None = error
    while isinstance(cause, ImportError):
        package = (cause.name or "").partition(".")[0]
        if package in EXTRAS:
            return f"{package} is missing. Install it: {install_command(EXTRAS[package])}"
        cause = cause.__cause__
    return None
