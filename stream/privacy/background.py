"""Approved backgrounds: the pictures over which people of cameras in skeleton mode are drawn."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

from PIL import Image, ImageChops

from stream.privacy.slot_mask import MARGIN, Outline, drawn
from stream.settings.privacy import BackgroundConfig

LARGEST = 32 << 20
"""Bytes of a file."""
MOST_SIZES = 4
"""Sizes in which a background is kept."""


class Background:
    """A camera's background. It is read once, when the camera starts."""

    def __init__(self, config: BackgroundConfig | None, outlines: Sequence[Outline] = ()) -> None:
        """`outlines`: the camera's masks, which are black in the background, too."""
        self.problem: str | None = None
        """Why grey is shown instead of the configured picture, as a sentence without its end; None if it is not."""
        self._outlines = outlines
        self._picture: Image.Image | None = None
        self._scaled: dict[tuple[int, int], Image.Image] = {}
        if config is not None:
            try:
                self._picture = _read(config)
            except OSError as error:
                # Pillow's errors are OSErrors without this text.
                self.problem = f"{config.file}: {error.strerror or 'it is not a picture'}"
            except ValueError as error:
                self.problem = f"{config.file}: {error}"

    def at(self, size: tuple[int, int]) -> Image.Image | None:
        """Return the picture at this size (width, height), not to be changed; None for grey."""
        if self._picture is None:
            return None
        scaled = self._scaled.get(size)
        if scaled is None:
            scaled = self._picture.resize(size)
            if self._outlines:
                shown = Image.fromarray(~drawn(self._outlines, size, MARGIN))
                scaled = ImageChops.multiply(scaled, shown.convert("RGB"))
            kept = list(self._scaled.items())[1 - MOST_SIZES :]
            self._scaled = {**dict(kept), size: scaled}
        return scaled


def _read(config: BackgroundConfig) -> Image.Image:
    """Raises OSError and ValueError."""
    with config.file.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    if hashlib.sha256(content).hexdigest() != config.sha256:
        raise ValueError("it is not the picture that was approved: its SHA-256 differs")
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as opened:
            return opened.convert("RGB")
    except (Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError("it is not a picture") from error
