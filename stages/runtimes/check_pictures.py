"""The packaged pictures on which runtimes are compared with torch: people drawn with MakeHuman's body (CC0-1.0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).parent / "pictures"


def check_pictures() -> list[NDArray[np.uint8]]:
    """Return the pictures `[H, W, 3]` RGB, the smallest first; sides are multiples of 32."""
    pictures: list[NDArray[np.uint8]] = []
    for path in sorted(FOLDER.glob("*.jpg")):
        with Image.open(path) as image:
            pictures.append(np.array(image.convert("RGB")))
    return sorted(pictures, key=lambda picture: picture.size)
