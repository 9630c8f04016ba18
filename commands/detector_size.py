"""The option `--detector-size WxH`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

DetectorSizeOption = Annotated[
    str | None,
    typer.Option(
        "--detector-size",
        metavar="WxH",
        help="Size of the detector's input, for example 768x576.",
        show_default="the model's choice",
    ),
]


def parse_detector_size(text: str | None) -> tuple[int, int] | None:
    """Return (width, height) of `WxH`, or None for None. Raises `typer.BadParameter`."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, for example 768x576", param_hint="--detector-size")
    return int(found[1]), int(found[2])
