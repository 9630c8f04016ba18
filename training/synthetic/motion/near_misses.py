"""Everyday hand movements that are no wave, clap or punch: at the face, at each other, at an object, stretched.

Each is an overlay (`training.synthetic.motion.gesture`) that keeps the base activity's action. They are as frequent, as
quick and as high as gestures: drinking, eating, scratching, combing, wiping, rubbing hands.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.motion.gesture import Gesture, free_hand, tag_hand
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import Movement, Prop, Rng, drift, turn_chest, turn_head
from training.synthetic.motion.reaching import (
    HALF_WIDTH,
    direction,
    keyed,
    log_uniform,
    reach,
    reach_across,
    rhythm,
    visits,
    wobble,
)

Point = tuple[float, float, float]

MOUTH: Point = (0.36, 0.26, 0.06)
AT_THE_HEAD: dict[str, Point] = {
    "crown": (0.05, 0.68, 0.08), "temple": (0.2, 0.46, 0.28), "nape": (-0.2, 0.22, 0.14), "glasses": (0.36, 0.42, 0.14),
    "mouth": MOUTH, "nose": (0.38, 0.32, 0.04), "ear": (0.08, 0.36, 0.32), "chin": (0.32, 0.16, 0.06),
    "throat": (0.28, 0.04, 0.08), "brow": (0.34, 0.52, 0.1), "far_cheek": (0.28, 0.34, -0.2),
}  # fmt: skip
BEFORE: tuple[Point, ...] = (
    (0.45, -0.45, 0.18),
    (0.5, -0.3, 0.1),
    (0.4, -0.6, 0.25),
    (0.35, -0.15, 0.2),
    (0.15, -0.9, 0.48),
)


def _hold_prop(movement: Movement, side: int, name: str, weight: Array) -> None:
    tag_hand(movement, "hold", side, weight)
    movement.props.append(Prop(name, "right" if side else "left", np.array(weight)))


def _jittered(rng: Rng, point: Point, spread: float = 0.04) -> Array:
    return np.array(point) + rng.normal(0, spread, 3)


def to_the_mouth(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Drink, eat or smoke: a hand goes to the mouth and back, occasionally or every second."""
    side = int(rng.integers(2))
    drinks = rng.random() < 0.6
    quick = rng.random() < 0.4
    spans = ((0.1, 0.4), (0.1, 0.6), (0.2, 0.5)) if quick else ((0.5, 2.5), (0.3, 3.0), (0.4, 1.0))
    there = visits(rng, times, *spans)
    start, mouth = _jittered(rng, BEFORE[int(rng.integers(4))], 0.06), _jittered(rng, MOUTH, 0.03)
    bulge = np.sin(np.pi * there)[:, None] * rng.normal(0, 0.05, 3)
    path = start + there[:, None] * (mouth - start) + bulge + wobble(rng, times, 0.015)
    reach(movement, side, path, weight, rng.normal(-0.2, 0.3))
    if drinks:
        _hold_prop(movement, side, str(rng.choice(["cup", "bottle"])), weight)
    else:
        free_hand(movement, side, weight)
    turn_head(movement.poses, (rng.uniform(-0.4, 0.0) if drinks else rng.uniform(0.0, 0.3)) * there * weight, 0.0)


def at_the_head(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Scratch, adjust glasses, wipe the nose, stroke the chin: small quick movements at one place after another, with
    pauses below."""
    side = int(rng.integers(2))
    names = list(AT_THE_HEAD)
    first, second = (_jittered(rng, AT_THE_HEAD[names[int(rng.integers(len(names)))]], 0.03) for _ in range(2))
    changes = visits(rng, times, (0.3, 2.0), (0.3, 2.0), (0.15, 0.5)) if rng.random() < 0.5 else 0 * times
    place = first + changes[:, None] * (second - first)
    rubs = rhythm(rng, times, rng.uniform(1.0, 5.0), rests=0.4)
    way = rng.normal(0, 1, 3)
    place = place + rng.uniform(0.0, 0.07) * np.sin(2 * np.pi * rubs)[:, None] * way / np.linalg.norm(way)
    if rng.random() < 0.5:
        stay = visits(rng, times, (0.4, 2.5), (0.2, 2.5), (0.25, 0.7))
        below = _jittered(rng, BEFORE[int(rng.integers(len(BEFORE)))], 0.06)
        place = below + stay[:, None] * (place - below)
    reach(movement, side, place, weight, rng.normal(0.15, 0.3))
    free_hand(movement, side, weight)
    turn_head(movement.poses, rng.normal(0.1, 0.2) * weight, rng.normal(0, 0.2) * weight)


def combing(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Comb, wash or tie hair: one or both hands move over the head from the brow to the nape, repeatedly."""
    both = rng.random() < 0.4
    cycles = rhythm(rng, times, rng.uniform(0.4, 2.0), rests=0.4)
    size = rng.uniform(0.3, 1.0)
    stroke = size * (0.5 - 0.5 * np.cos(2 * np.pi * cycles))
    back = rng.uniform(0.0, 1 - size) if size < 1 else 0.0
    hand = int(rng.integers(2))
    aside = rng.uniform(0.02, 0.3)
    keys = ((0.34, 0.5, aside), (0.12, 0.7, aside), (-0.18, 0.5, aside), (-0.22, 0.22, 0.8 * aside))
    for side in (0, 1) if both else (hand,):
        along = keyed(back + stroke, (0.0, 0.33, 0.67, 1.0), keys)
        reach(movement, side, along + wobble(rng, times, 0.02), weight, rng.normal(0.0, 0.2))
        free_hand(movement, side, weight)
    turn_head(movement.poses, rng.uniform(-0.1, 0.4) * weight, rng.normal(0, 0.25) * weight)


def rubbing(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Rub, warm, wash, wring or knead: hands that stay together, or in front of the mouth to blow on them."""
    middle = np.array([rng.uniform(0.3, 0.6), rng.uniform(-0.75, 0.2), rng.normal(0, 0.08)]) + wobble(rng, times, 0.04)
    cycles = rhythm(rng, times, rng.uniform(0.8, 4.5), rests=0.4)
    size = log_uniform(rng, 0.02, 0.14)
    way = rng.normal(0, 1, 3) * np.array([1.0, 1.0, 0.3])
    way = way / np.linalg.norm(way)
    ring = np.cross(way, np.array([0.0, 0.0, 1.0])) * rng.choice([0.0, 1.0])
    apart = rng.uniform(0.035, 0.09)
    # They move against each other, or together to shake something, or only one of them moves.
    shares = (1.0, -1.0) if rng.random() < 0.6 else ((1.0, 1.0) if rng.random() < 0.4 else (0.0, 1.5))
    for side, sign in ((0, -1.0), (1, 1.0)):
        angle = 2 * np.pi * cycles
        rub = shares[side] * size * (np.sin(angle)[:, None] * way + np.cos(angle)[:, None] * ring)
        reach_across(
            movement, side, middle + rub + sign * apart * np.array([0.0, 0.0, 1.0]), weight, rng.normal(0.15, 0.2)
        )
        free_hand(movement, side, weight)
    turn_head(movement.poses, rng.uniform(-0.1, 0.4) * weight, 0.0)


def along_the_arm(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Move one hand along the other arm: roll up a sleeve, look at the watch, scratch, rub in cream."""
    side = int(rng.integers(2))
    other = 1 - side
    held = np.array([rng.uniform(0.35, 0.6), rng.uniform(-0.6, -0.05), rng.uniform(-0.05, 0.2)]) + wobble(
        rng, times, 0.02
    )
    reach(movement, other, held, weight, rng.normal(0.2, 0.2))
    cycles = rhythm(rng, times, rng.uniform(0.4, 2.5), rests=0.5)
    along = rng.uniform(0.0, 0.5) + rng.uniform(0.05, 0.5) * (0.5 - 0.5 * np.cos(2 * np.pi * cycles))
    own_side = 1.0 if other else -1.0
    elbow = held * np.array([0.45, 1.0, 1.0]) + np.array([0.0, -0.12, 0.25])
    place = (held + along[:, None] * (elbow - held)) * np.array([1.0, 1.0, own_side]) + np.array([0.05, 0.06, 0.0])
    reach_across(movement, side, place, weight, rng.normal(0.1, 0.2))
    for hand in (0, 1):
        free_hand(movement, hand, weight)
    turn_head(movement.poses, rng.uniform(0.1, 0.5) * weight, -own_side * rng.uniform(0.0, 0.4) * weight)


def stretching(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Stretch the arms: over the head and to a side, ahead, to the sides, one across the body, or folded behind the
    head; slowly out, held, slowly back."""
    kind = str(rng.choice(["up", "up", "ahead", "aside", "across", "behind_head", "shoulders"]))
    there = visits(rng, times, (0.8, 4.0), (0.3, 2.0), (0.6, 1.6))
    rest = np.array([0.2, -0.85, 0.46])
    target = {
        "up": (0.05, 0.93, rng.uniform(0.05, 0.35)), "ahead": (0.93, rng.uniform(-0.1, 0.3), 0.06),
        "aside": (rng.uniform(-0.2, 0.1), rng.uniform(-0.1, 0.3), 1.25), "across": (0.4, -0.05, -0.45),
        "behind_head": (-0.14, 0.45, 0.16), "shoulders": (0.14, 0.04, 0.42),
    }[kind]  # fmt: skip
    lone = int(rng.integers(2))
    rolls = rhythm(rng, times, rng.uniform(0.3, 0.9)) if kind == "shoulders" else 0 * times
    for side in (0, 1):
        goal = np.array(target) + rng.normal(0, 0.04, 3)
        if kind == "across" and side != lone:
            goal = np.array([0.42, 0.0, rng.uniform(-0.1, 0.1)])  # presses the other arm
        path = rest + there[:, None] * (goal - rest) + wobble(rng, times, 0.02)
        path = path + (0.06 * np.sin(2 * np.pi * rolls) * there)[:, None] * np.array([1.0, 0.3, 0.0])
        reach(movement, side, path, weight, rng.normal(0.1, 0.2))
        free_hand(movement, side, weight)
    bow = rng.uniform(-0.25, 0.1) if kind in ("up", "aside", "behind_head") else rng.uniform(0.0, 0.2)
    turn_chest(movement.poses, bow * there * weight, drift(rng, times, 0.2) * weight, drift(rng, times, 0.25) * weight)


def fiddling(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Work on something small with both hands close together: knots, a zip, knitting, or a text typed while nodding."""
    middle = np.array([rng.uniform(0.32, 0.52), rng.uniform(-0.75, 0.05), rng.normal(0, 0.06)])
    texts = rng.random() < 0.4
    apart, size = rng.uniform(0.06, 0.2), log_uniform(rng, 0.01, 0.09)
    travel = rng.choice([0.0, rng.uniform(0.05, 0.3)]) * (not texts)  # up and down a jacket
    moved = middle + (travel * drift(rng, times, 0.7, 4.0, 1.0))[:, None] * np.array([0.0, 1.0, 0.0])
    for side, sign in ((0, -1.0), (1, 1.0)):
        busy = size * np.stack([drift(rng, times, 1.0, 1.0, 0.25) for _ in range(3)], -1) * (0.3 if texts else 1.0)
        reach_across(
            movement, side, moved + busy + sign * apart * np.array([0.0, 0.0, 1.0]), weight, rng.normal(0.05, 0.2)
        )
        tag_hand(movement, "hold", side, weight) if texts else free_hand(movement, side, weight)
    if texts:
        movement.props.append(Prop("phone", "right", np.array(weight)))
    nods = rng.uniform(0.0, 0.25) * np.sin(2 * np.pi * rhythm(rng, times, rng.uniform(0.6, 2.0), rests=0.5))
    turn_head(movement.poses, (rng.uniform(0.2, 0.6) + nods) * weight, drift(rng, times, 0.1) * weight)


def held_still(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Hold one or both hands still: shading the eyes, saluting, over the mouth, on the hips, hugging oneself, on the
    head, at the heart, behind the back."""
    places: dict[str, tuple[Point, bool]] = {
        "shade": ((0.38, 0.56, 0.1), False), "salute": ((0.2, 0.54, 0.28), False), "mouth": (MOUTH, False),
        "heart": ((0.28, -0.15, -0.12), False), "hips": ((0.05, -0.62, 0.38), True), "hug": ((0.26, -0.12, -0.4), True),
        "on_head": ((-0.02, 0.68, 0.12), True), "hip": ((0.05, -0.62, 0.38), False), "cheeks": ((0.3, 0.32, 0.2), True),
        "oath": ((0.25, 0.25, 0.6), False), "stop": ((0.9, 0.1, 0.3), False), "back": ((-0.28, -0.7, 0.08), True),
        "binoculars": ((0.42, 0.42, 0.12), True), "thumb_up": ((0.55, 0.0, 0.3), False),
        "pray": ((0.38, -0.1, 0.05), True),
    }  # fmt: skip
    point, both = places[str(rng.choice(list(places)))]
    comes = visits(rng, times, (1.0, 6.0), (0.2, 2.0), (0.2, 0.9)) if rng.random() < 0.5 else 0 * times + 1
    lone = int(rng.integers(2))
    below = _jittered(rng, BEFORE[int(rng.integers(len(BEFORE)))], 0.05)
    for side in (0, 1) if both else (lone,):
        place = below + comes[:, None] * (_jittered(rng, point, 0.035) - below) + wobble(rng, times, 0.015)
        reach(movement, side, place, weight, rng.normal(0.15, 0.25))
        free_hand(movement, side, weight)
    turn_head(movement.poses, rng.normal(0, 0.15) * comes * weight, drift(rng, times, 0.3) * weight)


def beats(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Stress words with the hands while talking: chops, counted points, palms thrown up. Hands never meet and no fist
    goes out."""
    sides = (0, 1) if rng.random() < 0.6 else (int(rng.integers(2)),)
    cycles = rhythm(rng, times, rng.uniform(0.6, 2.6), rests=0.8, unsteady=0.4)
    centre = np.array([rng.uniform(0.35, 0.6), rng.uniform(-0.6, -0.05), rng.uniform(0.22, 0.5)])
    size, sharp = log_uniform(rng, 0.04, 0.22), rng.uniform(0.5, 2.0)
    way = np.array([rng.normal(0, 0.5), 1.0, rng.normal(0, 0.3)])
    way = way / np.linalg.norm(way)
    for side in sides:
        lag = float(rng.choice([0.0, 0.0, 0.5])) * side
        stroke = (0.5 + 0.5 * np.sin(2 * np.pi * (cycles + lag))) ** sharp
        path = centre + size * stroke[:, None] * way + wobble(rng, times, 0.05)
        path[:, 2] = np.maximum(path[:, 2], 0.12)
        reach(movement, side, path, weight, rng.normal(0.1, 0.2))
        free_hand(movement, side, weight)
    turn_head(movement.poses, drift(rng, times, 0.12) * weight, drift(rng, times, 0.3) * weight)


def showing(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Hold out a phone for a picture or a film, ahead or overhead, read it close by, or scroll with the other hand."""
    both, side = rng.random() < 0.5, int(rng.integers(2))
    azimuth, elevation = rng.uniform(-0.15, 0.5), rng.uniform(-0.4, 1.1)
    place = rng.uniform(0.55, 0.95) * direction(azimuth, elevation) + np.array([0.0, 0.0, 0.5 * HALF_WIDTH])
    pan = wobble(rng, times, float(rng.choice([0.02, 0.1])), 1.0)
    place = place * np.array([1.0, 1.0, 1.0 if side else -1.0]) + pan
    reach_across(movement, side, place, weight, rng.normal(0.0, 0.2))
    _hold_prop(movement, side, "phone", weight)
    if both:
        taps = 0.04 * np.sin(2 * np.pi * rhythm(rng, times, rng.uniform(0.3, 2.0), rests=0.8))
        aside = np.array([0.0, -0.04, (-1.0 if side else 1.0) * rng.uniform(0.08, 0.16)])
        reach_across(movement, 1 - side, place + aside + taps[:, None] * np.array([0.2, 1.0, 0.0]), weight)
        free_hand(movement, 1 - side, weight)
    turn_head(movement.poses, -0.4 * elevation * weight + drift(rng, times, 0.05), drift(rng, times, 0.15) * weight)


def pointing_about(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Show the way: an arm points at one thing after another, high or low, bent or stretched, and comes back."""
    side = int(rng.integers(2))
    out = visits(rng, times, (0.4, 2.5), (0.2, 2.5), (0.2, 0.8))
    turn = rng.uniform(0.1, 1.6) + drift(rng, times, 0.5, 5.0, 1.2)
    lift = rng.uniform(-0.7, 0.9) + drift(rng, times, 0.3, 5.0, 1.2)
    far = rng.uniform(0.6, 0.97) * direction(turn, lift) + np.array([0.0, 0.0, HALF_WIDTH])
    near = _jittered(rng, BEFORE[int(rng.integers(len(BEFORE)))], 0.06)
    reach(movement, side, near + out[:, None] * (far - near), weight, rng.normal(0.0, 0.2))
    free_hand(movement, side, weight)
    turn_head(movement.poses, -0.3 * lift * out * weight, (-1.0 if side else 1.0) * 0.4 * np.sin(turn) * out * weight)


def at_a_table(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Work at the height of a table or counter: type, stir, wipe, cut, sort, steer."""
    kind = str(rng.choice(["type", "stir", "wipe", "cut", "sort", "steer"]))
    height, ahead = rng.uniform(-0.75, -0.4), rng.uniform(0.42, 0.7)
    lone = int(rng.integers(2))
    cycles = rhythm(rng, times, rng.uniform(0.5, 3.0), rests=0.5)
    angle = 2 * np.pi * cycles
    for side in (0, 1):
        size = log_uniform(rng, 0.02, 0.16)
        place = np.array([ahead, height, rng.uniform(0.1, 0.35)]) + wobble(rng, times, 0.015)
        if kind == "type":
            place = place + 0.02 * np.stack([drift(rng, times, 1.0, 0.8, 0.2) for _ in range(3)], -1)
        elif kind == "sort":
            place = place + size * 1.2 * np.stack(
                [drift(rng, times, 1.0, 2.5, 0.6) * share for share in (1.0, 0.4, 1.0)], -1
            )
        elif kind == "steer":
            turn = drift(rng, times, 0.5, 4.0, 1.0) * (1 if side else -1)
            place = place + 0.22 * np.stack([0 * turn, 1.2 + np.sin(turn), np.cos(turn) - 1], -1)
        elif side == lone:
            ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
            way = np.array({"stir": (1, 0, 1), "wipe": (0.5, 0.0, 1.6), "cut": (1.2, 0.0, 0.0)}[kind])
            place = (
                place + size * ring * way + (kind == "cut") * 0.3 * size * np.sin(angle)[:, None] * np.array([0, 1, 0])
            )
        reach(movement, side, place, weight, rng.normal(0.1, 0.2))
        free_hand(movement, side, weight)
    turn_chest(movement.poses, rng.uniform(0.0, 0.25) * weight)
    turn_head(movement.poses, rng.uniform(0.0, 0.5) * weight, drift(rng, times, 0.15) * weight)


GESTURES: tuple[Gesture, ...] = (
    Gesture("to_the_mouth", None, to_the_mouth, 1.2),
    Gesture("at_the_head", None, at_the_head, 1.2),
    Gesture("combing", None, combing, 0.8),
    Gesture("rubbing", None, rubbing, 1.2),
    Gesture("along_the_arm", None, along_the_arm, 0.7),
    Gesture("stretching", None, stretching, 0.8),
    Gesture("fiddling", None, fiddling, 1.0),
    Gesture("held_still", None, held_still, 1.2),
    Gesture("beats", None, beats, 1.2),
    Gesture("showing", None, showing, 0.8),
    Gesture("pointing_about", None, pointing_about, 0.8),
    Gesture("at_a_table", None, at_a_table, 0.8),
)
