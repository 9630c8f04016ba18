"""Outfits: garments, their length, width and fabric.

Lengths along limbs are 0 at shoulder or hip, 1 at elbow or knee, 2 at wrist or ankle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.synthetic.rendering.surfaces.materials import (
    BANDS,
    Material,
    Rng,
    draw_cloth,
    linear,
)


@dataclass(frozen=True, slots=True)
class Top:
    """A garment of the upper body. `hem`: height of its lower edge above the hip joints, in torso lengths; `width` in
    [0, 1]: close-fitting to baggy; `opening`: metres on each side of the middle in front, 0 if closed; `collar`:
    whether it goes up the neck."""

    cloth: Material
    sleeve: float
    hem: float
    width: float
    thickness: float
    opening: float = 0.0
    collar: bool = False

    @property
    def stand_off(self) -> float:
        """Distance from the skin in metres."""
        return 0.004 + 0.014 * self.width + self.thickness

    def over(self, inner: Top | Bottom) -> Top:
        """Return the same garment, thick and wide enough to be worn over `inner`."""
        width = max(self.width, inner.width if isinstance(inner, Top) else 0.0)
        needed = inner.stand_off + 0.008 - (0.004 + 0.014 * width)
        return replace(self, width=width, thickness=max(self.thickness, needed))


@dataclass(frozen=True, slots=True)
class Bottom:
    """Trousers or shorts down to `length` along the leg, of `width` in [0, 1]."""

    cloth: Material
    length: float
    width: float

    @property
    def stand_off(self) -> float:
        """Distance from the skin in metres."""
        return 0.003 + 0.009 * self.width


@dataclass(frozen=True, slots=True)
class Skirt:
    """A skirt, or the lower part of a dress or coat, down to `length` along the leg; open in front by `opening`
    metres."""

    cloth: Material
    length: float
    opening: float = 0.0


@dataclass(frozen=True, slots=True)
class Outfit:
    """A person's clothes. `tops`: from inside out; `shoe`: None for barefoot; `shaft`: where shoes and socks end along
    the leg; `gloves`, `hat`: None for none."""

    tops: tuple[Top, ...]
    bottom: Bottom | None
    skirt: Skirt | None
    shoe: Material | None
    sole: Material | None
    sock: Material | None
    shaft: float
    gloves: Material | None
    hat: Material | None
    sunglasses: bool


def draw_outfit(rng: Rng, male: float, chest: float) -> Outfit:
    """Draw a person's clothes. `male` in [0, 1] decides how likely skirts are; `chest`: height of prints in metres."""
    hot = rng.random() < 0.45
    tops = [_shirt(rng, hot, chest)]
    bottom = _trousers(rng, hot)
    skirt = None
    if rng.random() < 0.28 * (1 - male):
        skirt = Skirt(draw_cloth(rng, plain=0.6), float(rng.uniform(0.55, 1.75)))
        if rng.random() < 0.5:  # a dress
            skirt = replace(skirt, cloth=tops[0].cloth)
        bottom = None if rng.random() < 0.5 else replace(bottom, length=1.93, width=0.0)
    if not hot and rng.random() < 0.55:
        jacket, coat = _jacket(rng, chest)
        tops.append(jacket)
        skirt = coat or skirt
    if rng.random() < 0.06:
        tops.append(_safety_vest(rng, chest))
    bare = rng.random() < 0.06
    shaft = float(rng.uniform(1.7, 1.92)) if rng.random() < 0.75 else float(rng.uniform(1.2, 1.7))
    if bottom and shaft < 1.6:  # trousers are tucked into boots
        bottom = replace(bottom, length=min(bottom.length, shaft + 0.05), width=min(bottom.width, 0.3))
    if bottom:
        tops[0] = tops[0].over(bottom)
    for number in range(1, len(tops)):
        tops[number] = tops[number].over(tops[number - 1])
    return Outfit(
        tops=tuple(tops),
        bottom=bottom,
        skirt=skirt,
        shoe=None if bare else draw_cloth(rng, plain=0.9),
        sole=Material(linear(*([float(rng.choice([0.95, 0.15, 0.5]))] * 3))),
        sock=draw_cloth(rng, plain=0.9) if not bare and rng.random() < 0.7 else None,
        shaft=shaft,
        gloves=draw_cloth(rng, plain=1.0) if not hot and rng.random() < 0.1 else None,
        hat=draw_cloth(rng, plain=0.8) if rng.random() < 0.16 else None,
        sunglasses=bool(rng.random() < 0.07),
    )


def _shirt(rng: Rng, hot: bool, chest: float) -> Top:
    cloth = draw_cloth(rng, plain=0.65, print_share=0.35, chest=chest)
    if hot:
        sleeve = rng.uniform(0.02, 0.12) if rng.random() < 0.2 else rng.uniform(0.45, 0.85)
    else:
        sleeve = rng.uniform(1.3, 1.7) if rng.random() < 0.15 else 1.95
    collar = rng.random() < 0.25
    return Top(cloth, float(sleeve), float(rng.uniform(-0.04, 0.1)), float(rng.beta(1.3, 1.6)), 0.004, collar=collar)


def _trousers(rng: Rng, hot: bool) -> Bottom:
    cloth = draw_cloth(rng, plain=0.93)
    if rng.random() < 0.35:  # jeans
        shade = rng.uniform(0.3, 1.0)
        cloth = Material(linear(0.25 * shade, 0.34 * shade, 0.52 * shade), grain=0.25, wrinkles=rng.uniform(0.3, 0.6))
    if hot and rng.random() < 0.55:
        return Bottom(cloth, float(rng.uniform(0.35, 1.1)), float(rng.uniform(0.2, 1.0)))
    return Bottom(cloth, 1.93 if rng.random() < 0.85 else float(rng.uniform(1.4, 1.8)), float(rng.beta(1.3, 1.5)))


def _jacket(rng: Rng, chest: float) -> tuple[Top, Skirt | None]:
    cloth = replace(draw_cloth(rng, plain=0.8, print_share=0.1, chest=chest), wrinkles=rng.uniform(0.3, 0.8))
    opening = float(rng.uniform(0.02, 0.08)) if rng.random() < 0.5 else 0.0
    width = float(rng.uniform(0.3, 1.0))
    hem = float(rng.uniform(-0.12, 0.12))
    jacket = Top(cloth, 1.97, hem, width, float(rng.uniform(0.008, 0.02)), opening, collar=rng.random() < 0.6)
    coat = Skirt(cloth, float(rng.uniform(0.3, 1.2)), opening + 0.02) if rng.random() < 0.2 else None
    return jacket, coat


def _safety_vest(rng: Rng, chest: float) -> Top:
    bright = linear(0.85, 0.95, 0.15) if rng.random() < 0.6 else linear(0.98, 0.45, 0.1)
    cloth = Material(bright, linear(0.85, 0.87, 0.88), BANDS, share=chest - 0.2, frequency=0.05, grain=0.05)
    return Top(cloth, 0.05, 0.02, 0.7, 0.03, opening=float(rng.choice([0.0, 0.03])))
