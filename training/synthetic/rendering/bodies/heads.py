"""Hair, hats and faces: everything on a head except bare skin.

Distances are in metres on an adult's head and scale with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.rendering.bodies.body_regions import above_hairline, inside_ellipsoid
from training.synthetic.rendering.bodies.clothing import Piece, ShapedBody, piece
from training.synthetic.rendering.surfaces.materials import Rng
from training.synthetic.rendering.surfaces.mesh import Floats


@dataclass(frozen=True, slots=True)
class HeadStyle:
    """A head's look. `hair`: thickness in metres, 0 for bald; `receding`: metres by which it begins higher; `long` adds
    hair to the shoulders; `beard`, `brows`, `lips`: strength in [0, 1]."""

    hair: float
    receding: float
    long: bool
    beard: float
    brows: float
    lips: float


def draw_head(rng: Rng, male: float, adult: float) -> HeadStyle:
    """Draw a head for a body; `male`, `adult` in [0, 1]."""
    bald = rng.random() < 0.12 * male * adult
    long = rng.random() < 0.55 - 0.5 * male
    return HeadStyle(
        hair=0.0 if bald else float(rng.uniform(0.004, 0.03)),
        receding=float(rng.uniform(0.0, 0.03)) if rng.random() < 0.3 * male * adult else 0.0,
        long=bool(long and not bald),
        beard=float(rng.uniform(0.3, 0.9)) if male > 0.6 and rng.random() < 0.35 * adult else 0.0,
        brows=float(rng.uniform(0.3, 0.8)),
        lips=float(rng.uniform(0.2, 0.7)),
    )


def hair_pieces(body: ShapedBody, style: HeadStyle, material: int, rng: Rng) -> list[Piece]:
    """Return the hair of a head; none if it is bald."""
    if style.hair <= 0:
        return []
    head = body.regions.head > 0.6
    above = above_hairline(body.vertices, body.face) - style.receding * (body.vertices[:, 0] > body.face.ears[0, 0])
    waves = _waves(body.vertices / body.face.size, rng, 30.0)
    stand = style.hair * (0.6 + 0.4 * waves) * np.clip(above / 0.03 + 0.25, 0.1, 1.0) + 0.002
    moved = body.vertices + (stand * body.face.size)[:, None].astype(np.float32) * body.normals
    pieces = [piece(body, "body", np.where(head, above, -1.0), material, moved=moved.astype(np.float32), smooth=2)]
    if style.long:
        pieces.append(_long_hair(body, style, material, waves, rng))
    return pieces


def _long_hair(body: ShapedBody, style: HeadStyle, material: int, waves: Floats, rng: Rng) -> Piece:
    """Return hair behind the ears: nape and upper back, moved out to where it hangs from the head."""
    size, ears = body.face.size, body.face.ears.mean(0)
    length = rng.uniform(0.06, 0.28) * size
    radius = (0.098 + style.hair + 0.006 * waves) * size
    offset = (body.vertices - ears) * np.array([1.0, 0.0, 1.0])
    away = np.maximum(np.linalg.norm(offset, axis=1), 1e-3)
    below = np.clip((ears[1] + 0.06 * size - body.vertices[:, 1]) / (0.05 * size), 0, 1)
    out = (radius * (1 - 0.15 * np.clip((ears[1] - body.vertices[:, 1]) / (0.3 * size), 0, 1)))[:, None]
    hung = body.vertices + offset * np.maximum(out / away[:, None] - 1, 0.12)
    moved = body.vertices + (hung - body.vertices) * below[:, None]
    behind = 0.012 * size - offset[:, 0]
    # Leave out the arms and the sides of the shoulders.
    near = 1.05 * radius - np.abs(body.vertices[:, 2])
    margin = np.minimum(np.minimum(behind, near), body.vertices[:, 1] - ears[1] + length)
    margin = np.minimum(margin, ears[1] + 0.04 * size - body.vertices[:, 1])
    # Leave out the inside of the mouth, which lies around the head's axis.
    margin = np.minimum(margin, away - 0.04 * size)
    return piece(body, "body", margin, material, moved=moved.astype(np.float32), smooth=2)


def hat_piece(body: ShapedBody, material: int, rng: Rng) -> Piece:
    """Return a cap or woollen hat."""
    head = body.regions.head > 0.6
    above = above_hairline(body.vertices, body.face) - rng.uniform(-0.02, 0.01)
    height = np.clip(above / 0.08, 0, 1)
    stand = (rng.uniform(0.012, 0.03) * (0.7 + 0.6 * height * rng.random()) * body.face.size).astype(np.float32)
    brim = rng.uniform(0.0, 0.07) if rng.random() < 0.6 else 0.0
    moved = body.vertices + stand[:, None] * body.normals
    # A brim: the front edge pulled forward.
    front = np.clip((body.vertices[:, 0] - body.face.eyes[0, 0] + 0.03) / 0.03, 0, 1) * np.clip(1 - above / 0.02, 0, 1)
    moved[:, 0] += (brim * front * body.face.size).astype(np.float32)
    return piece(body, "body", np.where(head, above, -1.0), material, moved=moved.astype(np.float32), smooth=3)


def face_tint(body: ShapedBody, style: HeadStyle, hair: Floats, skin: Floats, sunglasses: bool) -> Floats:
    """Return multipliers [N, 3] of the skin's colour for lips, brows, beard, cheeks and sunglasses. `hair`, `skin` [3]:
    linear colours."""
    points, at, size = body.vertices, body.face, body.face.size
    tint = np.ones_like(points)
    to_hair = np.clip(hair / np.maximum(skin, 0.02), 0.03, 3.0)

    def blend(share: Floats, colour: Floats) -> None:
        tint[:] += share[:, None].astype(np.float32) * (colour - tint)

    def ellipsoid(centre: Floats, radii: tuple[float, float, float]) -> Floats:
        return np.clip(3 * inside_ellipsoid(points, centre, (radii[0] * size, radii[1] * size, radii[2] * size)), 0, 1)

    lips = at.mouth + np.array([0.02, 0.0, 0.0], np.float32) * size
    blend(style.lips * ellipsoid(lips, (0.04, 0.012, 0.028)), np.array([0.85, 0.45, 0.45], np.float32))
    for side, sign in ((0, -1.0), (1, 1.0)):
        eye = at.eyes[side]
        blend(0.25 * ellipsoid(eye, (0.04, 0.014, 0.022)), np.array([0.7, 0.55, 0.5], np.float32))
        brow = eye + np.array([0.015, 0.021, 0.003 * sign], np.float32) * size
        blend(style.brows * ellipsoid(brow, (0.03, 0.007, 0.024)), to_hair)
        cheek = eye + np.array([0.0, -0.045, 0.01 * sign], np.float32) * size
        blend(0.35 * ellipsoid(cheek, (0.05, 0.025, 0.03)), np.array([1.0, 0.8, 0.78], np.float32))
    if style.beard > 0:
        low = np.clip((at.mouth[1] + 0.012 * size - points[:, 1]) / (0.012 * size), 0, 1)
        low *= np.clip((points[:, 0] - at.ears[0, 0] - 0.005) / (0.02 * size), 0, 1)
        low *= np.clip((points[:, 1] - at.mouth[1] + 0.085 * size) / (0.02 * size), 0, 1)
        low *= (body.regions.head > 0.5) * (1 - ellipsoid(lips, (0.05, 0.016, 0.032)))
        blend(style.beard * low, to_hair)
    if sunglasses:
        for eye in at.eyes:
            blend(ellipsoid(eye + np.array([0.01, 0, 0], np.float32), (0.05, 0.022, 0.03)), np.float32(0.04) / skin)
    return np.clip(tint, 0, 3).astype(np.float32)


def eye_tint(body: ShapedBody, iris: Floats) -> Floats:
    """Return the colours [N, 3] of the eyeballs' vertices: white, with an iris in front."""
    tint = np.full_like(body.vertices, 0.8)
    for eye in body.face.eyes:
        offset = body.vertices - eye
        aside = np.hypot(offset[:, 1], offset[:, 2])
        tint[(aside < 0.009 * body.face.size) & (offset[:, 0] > 0)] = iris
    return tint


def _waves(points: Floats, rng: Rng, frequency: float) -> Floats:
    """Return a smooth random function of points [N, 3], in [-1, 1]."""
    directions = rng.normal(0, 1, (5, 3)) * frequency
    phases = rng.uniform(0, 2 * np.pi, 5)
    return np.sin(points @ directions.T + phases).mean(1).astype(np.float32)
