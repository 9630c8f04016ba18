"""Generator of the pictures on which runtimes are compared: `python -m tools.check_pictures`.

The pictures show people drawn with MakeHuman's body (CC0-1.0), so that they may be packaged. It needs the extra `train`
and `partstream weights fetch motion body`.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmarks.model.rendered_people import Studio
from stages.runtimes.check_pictures import FOLDER
from stages.third_party import weights
from training.synthetic.activities import MotionLibrary
from training.synthetic.rendering.bodies.body_model import load_body

SCENES = (
    ("wave", 2, (256, 256)),
    ("jump", 5, (256, 256)),
    ("sit", 3, (512, 384)),
    ("sit", 9, (512, 384)),
    ("walk", 6, (768, 576)),
)
"""Action of the first person, seed, width and height. MoveNet is sure of all 15 people."""
_SEED = 7
_QUALITY = 90


def write(folder: Path) -> list[Path]:
    """Draw the pictures into `folder`. Raises `WeightsError` if motions or body are missing."""
    studio = Studio(load_body(), MotionLibrary(weights.locate("motion")))
    paths: list[Path] = []
    for action, seed, (width, height) in SCENES:
        path = folder / f"{width}x{height}-{seed}.jpg"
        Image.fromarray(studio.frame([_SEED, seed], action, (width, height)).picture).save(path, quality=_QUALITY)
        paths.append(path)
    return paths


if __name__ == "__main__":
    write(FOLDER)
