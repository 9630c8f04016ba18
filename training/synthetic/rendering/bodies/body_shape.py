"""The shape of a person's body: sex, age, muscle, weight and descent, as a blend of the mesh's shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.rendering.bodies.body_model import (
    AGES,
    GENDERS,
    LEVELS,
    RACES,
    BodyModel,
    Floats,
    mass_shape,
    race_shape,
)

CHILD_STATURE = 1.45
"""People shorter than this, in metres, have a child's proportions."""


@dataclass(frozen=True, slots=True)
class Phenotype:
    """A body's shape. `male`, `muscle`, `weight` in [0, 1]; `age`: shares of child, young, old; `descent`: shares of
    `RACES`."""

    male: float
    muscle: float
    weight: float
    age: tuple[float, float, float]
    descent: tuple[float, float, float]


def draw_phenotype(rng: np.random.Generator, stature: float) -> Phenotype:
    """Draw a body for a `stature` in metres: short people are children, tall people more often men."""
    tall = 1 / (1 + np.exp(-(stature - 1.70) / 0.05))
    male = float(np.clip(round(float(rng.random() < 0.15 + 0.7 * tall)) + rng.normal(0, 0.12), 0, 1))
    if stature < CHILD_STATURE:
        share = float(np.clip((CHILD_STATURE - stature) / 0.3 + 0.4, 0, 1))
        age = (share, 1 - share, 0.0)
        male = float(rng.random())
    else:
        old = float(rng.random() ** 2) if rng.random() < 0.6 else 0.0
        age = (0.0, 1 - old, old)
    descent = rng.dirichlet(np.full(3, 0.4))
    return Phenotype(
        male=male,
        muscle=float(rng.beta(3, 3)),
        weight=float(rng.beta(2.5, 3)),
        age=age,
        descent=(float(descent[0]), float(descent[1]), float(descent[2])),
    )


def shaped(model: BodyModel, phenotype: Phenotype) -> Floats:
    """Return the mesh's vertices [N, 3] in metres with that phenotype, in the mesh's own stature and rest pose."""
    out = model.vertices.copy()
    for gender, gender_share in zip(GENDERS, (1 - phenotype.male, phenotype.male)):
        for age, age_share in zip(AGES, phenotype.age):
            for race, race_share in zip(RACES, phenotype.descent):
                _add(model, out, race_shape(race, gender, age), gender_share * age_share * race_share)
            # The asset has no shapes of muscle and fat for old people, so those of young people are used.
            of = "child" if age == "child" else "young"
            for muscle, muscle_share in _levels(phenotype.muscle):
                for weight, weight_share in _levels(phenotype.weight):
                    if (muscle, weight) != ("average", "average"):
                        share = gender_share * age_share * muscle_share * weight_share
                        _add(model, out, mass_shape(gender, of, muscle, weight), share)
    return out


def _levels(value: float) -> tuple[tuple[str, float], tuple[str, float]]:
    """Return the two neighbouring levels of a quantity in [0, 1], with their shares."""
    lower = 0 if value < 0.5 else 1
    share = 2 * value - lower
    return (LEVELS[lower], 1 - share), (LEVELS[lower + 1], share)


def _add(model: BodyModel, vertices: Floats, name: str, share: float) -> None:
    if share > 1e-3:
        index, offset = model.shapes[name]
        vertices[index] += np.float32(share) * offset
