"""MoveNet's detection of people drawn by `training.synthetic.rendering`, on which learning from such pictures depends.

`python -m benchmarks.model.rendered_people --frames 600` draws frames over all activities, builds, cameras and places,
runs the detector on them, prints person recall and keypoint error, and writes them to a JSON file. People who are at
least 60 % visible are counted. A person is found if a detection matches: by an object keypoint similarity (COCO's) of
at least 0.5, or by an IoU of at least 0.5 of the boxes around the keypoints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from benchmarks import machine
from stages.detection.movenet.keypoint_decoding import COCO_SIGMAS
from stages.detection.movenet.movenet import KEYPOINTS, MoveNet
from stages.third_party import weights
from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.movement import ACTIONS, Rng
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.rendering.backdrop import backdrop
from training.synthetic.rendering.bodies.body_model import BodyModel, load_body
from training.synthetic.rendering.bodies.figure import Figure, draw_figure
from training.synthetic.rendering.bodies.posing import Hands
from training.synthetic.rendering.camera import Camera
from training.synthetic.rendering.effects import develop, draw_effects, meter
from training.synthetic.rendering.objects import HELD
from training.synthetic.rendering.scene import Posed, Scene, posed_object, posed_person, render
from training.synthetic.rendering.staging import contacts, draw_stage, moved, place_people
from training.synthetic.sequences.scenes import draw_scene

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

VISIBLE = 0.6
"""Visible share from which a person is counted."""
FOUND = 0.5
"""Least keypoint similarity or IoU of a match."""
DETECTION_SCORE = 0.15
"""Slightly above the score that keeps a track alive in the engine (`stages.people.people_tracker`)."""
SIZES = ((320, 256), (256, 256), (384, 224), (288, 384))
SIZE_BINS = (0, 50, 70, 100, 150, 1000)
CLIP_S = 3.0
RATE = 25.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A person in a frame: `stature` in pixels; if found, `error` [17] in % of stature and `score` [17]."""

    frame: int
    action: str
    share: float
    stature: float
    from_above: bool
    found: bool
    box: Array
    error: Array | None
    score: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture [H, W, 3] and its ground truth.

    Joints in pixels [K, 17, 2]; visible shares, statures in pixels, and areas of whole persons in pixels [K].
    """

    picture: Pixels
    points: Array
    shares: Array
    statures: Array
    areas: Array
    from_above: bool


class Studio:
    """Draws random frames and records how long drawing takes."""

    def __init__(self, model: BodyModel, library: MotionLibrary) -> None:
        self.model, self.library = model, library
        self.seconds: dict[str, list[float]] = {"people": [], "render": [], "develop": []}

    def frame(self, seed: Sequence[int], action: str, size: tuple[int, int]) -> Frame:
        """Draw a frame from the middle of a clip. The first person performs `action`, the others any action."""
        rng = np.random.default_rng(seed)
        start = time.perf_counter()
        shutter = CLIP_S / 2 + np.array([0.0, 1.0]) * rng.uniform(1 / 250, 1 / 50)
        times = np.sort(np.concatenate([np.arange(0.0, CLIP_S, 1 / RATE), shutter]))
        opening = int(np.searchsorted(times, shutter[0]))
        count = int(rng.choice([1, 2, 3, 4], p=[0.35, 0.3, 0.2, 0.15]))
        figures: list[Figure] = []
        moments: list[Array] = []
        paths: list[Array] = []
        statures: list[float] = []
        for number, at in enumerate(place_people(rng, count)):
            build = draw_builds(rng, 1, held_out=bool(rng.random() < 0.2))
            figure = draw_figure(self.model, rng, build)
            scene = draw_scene(
                rng, self.library, times, held_out=bool(rng.random() < 0.2), action=action if number == 0 else None
            )
            poses = moved(scene.poses, float(build.leg[0]), at, rng.uniform(-np.pi, np.pi), opening)
            points, _ = joints(poses[None], build)
            paths.append(points[0])
            statures.append(float(build.stature[0]))
            figures.append(figure)
            moments.append(poses[opening : opening + 2])
        self.seconds["people"].append((time.perf_counter() - start) / count)
        stage = draw_stage(rng, [path[opening - 8 : opening + 8] for path in paths], statures, size)
        camera = (stage.camera.at(0.0), stage.camera.at(float(shutter[1] - shutter[0])))
        now = [path[opening : opening + 2].mean(0) for path in paths]
        points, heights = in_picture(camera[0], now, statures)
        posed = [
            _posed(rng, figure.for_height(float(height)), poses)
            for figure, height, poses in zip(figures, heights, moments, strict=True)
        ]
        people, held = [person for person, _ in posed], [thing for _, things in posed for thing in things]
        start = time.perf_counter()
        drawn = render(
            Scene(people, [*held, *stage.furniture], camera, stage.light, stage.surroundings, contacts(now, statures))
        )
        self.seconds["render"].append(time.perf_counter() - start)
        start = time.perf_counter()
        picture = develop(drawn.light, draw_effects(rng), meter(drawn.light), rng)
        self.seconds["develop"].append(time.perf_counter() - start)
        above = bool(camera[0].axes[2, 1] < -0.15)
        areas = drawn.visible[:count].sum(1) / np.maximum(drawn.visible_share[:count], 1e-3)
        return Frame(picture, points, drawn.visible_share[:count].astype(np.float64), heights, areas, above)


def frames_per_core_second(studio: Studio, seed: int, frames: int = 20) -> dict[str, dict[str, float]]:
    """Return the frames of a 320x256 clip drawn per second of CPU time, by number of people and camera motion."""
    out: dict[str, dict[str, float]] = {}
    times = np.arange(0.0, frames / RATE + 0.1, 1 / RATE)
    for count in (1, 2, 4):
        rng = np.random.default_rng([seed, count])
        builds = [draw_builds(rng, 1) for _ in range(count)]
        figures = [draw_figure(studio.model, rng, build) for build in builds]
        poses = [
            moved(
                draw_scene(rng, studio.library, times, held_out=False, action="walk").poses,
                float(build.leg[0]), at, rng.uniform(-np.pi, np.pi), 0,
            )
            for build, at in zip(builds, place_people(rng, count), strict=True)
        ]  # fmt: skip
        paths = [joints(one[None], build)[0][0] for one, build in zip(poses, builds, strict=True)]
        stage = draw_stage(rng, paths, [float(build.stature[0]) for build in builds], (320, 256))
        view, effects = stage.camera.at(0.0), draw_effects(rng)
        _, heights = in_picture(view, [path[0] for path in paths], [float(build.stature[0]) for build in builds])
        figures = [figure.for_height(float(height)) for figure, height in zip(figures, heights, strict=True)]
        rates: dict[str, float] = {}
        for name in ("still", "moving"):
            start = time.process_time()
            behind = backdrop(stage.surroundings, view, stage.light) if name == "still" else None
            transforms = [figure.transforms(one) for figure, one in zip(figures, poses, strict=True)]
            for row in range(frames):
                people = [
                    posed_person(figure, one[row : row + 2]) for figure, one in zip(figures, transforms, strict=True)
                ]
                drawn = render(Scene(people, stage.furniture, (view, view), stage.light, stage.surroundings), behind)
                develop(drawn.light, effects, 1.0, rng)
            rates[name] = round(frames / (time.process_time() - start), 1)
        out[f"{count} people"] = rates
    return out


def _posed(rng: Rng, figure: Figure, poses: Array) -> tuple[Posed, list[Posed]]:
    """Return a person at the shutter's opening and closing, and the held object of one in six people."""
    hands = Hands(np.full((2, 2), rng.uniform(0.1, 0.6)), np.tile(rng.normal(0, 0.4, 2), (2, 1)))
    holds = rng.random() < 1 / 6
    side = int(rng.integers(2))
    if holds:
        hands.grip[:, side] = 0.85
    transforms = figure.transforms(poses, hands)
    person = posed_person(figure, transforms)
    if not holds:
        return person, []
    thing = HELD[str(rng.choice(list(HELD)))](rng)
    frames = figure.hand_frames(transforms, side)
    return person, [posed_object(thing, frames[0], frames[1])]


def in_picture(camera: Camera, now: Sequence[Array], statures: Sequence[float]) -> tuple[Array, Array]:
    """Return the joints [K, 17, 2] and statures [K] of people in pixels, from joints [17, 3] and statures in metres."""
    points, depth = camera.project(np.stack(now))
    return points, camera.focal * np.array(statures) / depth.mean(1)


def overlap(first: Array, second: Array) -> float:
    """Return the IoU of two boxes [4]."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    inner = float(np.prod(np.maximum(high - low, 0)))
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return inner / max(areas - inner, 1e-9)


def similarity(found: Array, true: Array, area: float) -> float:
    """Return COCO's object keypoint similarity of joints [17, 2] for a person who covers `area` pixels."""
    square = ((found - true) ** 2).sum(1)
    return float(np.exp(-square / (8 * np.array(COCO_SIGMAS) ** 2 * max(area, 1.0))).mean())


def around(points: Array) -> Array:
    """Return the box [4] around points [N, 2]."""
    return np.concatenate([points.min(0), points.max(0)])


def matched(frame: Frame, people: Array, number: int, action: str) -> tuple[list[Seen], int]:
    """Match the people of a frame with detections [K, 56] (`movenet.Detections.packed`).

    Returns a `Seen` for each person, and the number of detections without a person.
    """
    found = [row[5:].reshape(17, 3)[:, :2] for row in people]
    pairs = sorted(
        (
            (max(overlap(around(true), around(one)), similarity(one, true, float(frame.areas[k]))), k, j)
            for k, true in enumerate(frame.points)
            for j, one in enumerate(found)
        ),
        reverse=True,
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for agreement, k, j in pairs:
        if agreement >= FOUND and k not in partner and j not in taken:
            partner[k] = j
            taken.add(j)
    seen: list[Seen] = []
    for k, true in enumerate(frame.points):
        error = score = None
        if k in partner:
            keypoints = people[partner[k]][5:].reshape(17, 3)
            error = np.linalg.norm(keypoints[:, :2] - frame.points[k], axis=1) / frame.statures[k] * 100
            score = keypoints[:, 2]
        seen.append(
            Seen(
                number,
                action if k == 0 else "any",
                float(frame.shares[k]),
                float(frame.statures[k]),
                frame.from_above,
                k in partner,
                around(true),
                error,
                score,
            )
        )
    return seen, len(found) - len(taken)


def summary(people: Sequence[Seen], spare: int, frames: int) -> dict[str, Any]:
    """Return recall and keypoint error of visible people, in total and by size, action and camera."""
    counted = [one for one in people if one.share >= VISIBLE]
    if not counted:
        raise ValueError("no person in these frames is visible enough to be counted")

    def recall(some: Sequence[Seen]) -> dict[str, Any]:
        return {"people": len(some), "recall": round(float(np.mean([one.found for one in some])), 4) if some else None}

    found = [one for one in counted if one.error is not None]
    errors = np.array([one.error for one in found])
    scores = np.array([one.score for one in found])
    return {
        "frames": frames,
        "people": len(people),
        "counted": len(counted),
        "recall": round(float(np.mean([one.found for one in counted])), 4),
        "unmatched_detections_per_frame": round(spare / frames, 3),
        "keypoint_error_percent_of_stature": {
            "median": round(float(np.median(errors)), 2),
            "mean": round(float(errors.mean()), 2),
            "p90": round(float(np.percentile(errors, 90)), 2),
        },
        "by_keypoint": {
            name: {
                "median_error": round(float(np.median(errors[:, index])), 2),
                "p90_error": round(float(np.percentile(errors[:, index], 90)), 2),
                "median_score": round(float(np.median(scores[:, index])), 2),
            }
            for index, name in enumerate(KEYPOINTS)
        },
        "by_stature_px": {
            f"{low}-{high}": recall([one for one in counted if low <= one.stature < high])
            for low, high in itertools.pairwise(SIZE_BINS)
        },
        "by_action": {action: recall([one for one in counted if one.action == action]) for action in (*ACTIONS, "any")},
        "by_camera": {
            name: recall([one for one in counted if one.from_above == above])
            for name, above in (("eye height", False), ("from above", True))
        },
        "hidden_more": recall([one for one in people if one.share < VISIBLE]),
    }


def measure(frames: int, seed: int, sheet: Path | None) -> dict[str, Any]:
    """Draw and detect. `sheet`: file for a contact sheet, with people who were not found marked in red."""
    studio = Studio(load_body(), MotionLibrary(weights.locate("motion")))
    detector = MoveNet.load()
    people: list[Seen] = []
    pictures: list[Pixels] = []
    spare = 0
    for number in range(frames):
        action, size = ACTIONS[number % len(ACTIONS)], SIZES[number // len(ACTIONS) % len(SIZES)]
        frame = studio.frame([seed, number], action, size)
        _, heads = detector(torch.from_numpy(frame.picture.copy())[None])
        rows = detector.decode(heads, 32).packed[0].numpy()
        seen, others = matched(frame, rows[rows[:, 4] > DETECTION_SCORE].astype(np.float64), number, action)
        people += seen
        spare += others
        if sheet is not None:
            pictures.append(_marked(frame.picture, seen))
    if sheet is not None:
        _save_sheet(pictures, sheet)
    rates = frames_per_core_second(studio, seed)
    times = {name: round(float(np.median(seconds)) * 1e3, 1) for name, seconds in studio.seconds.items()}
    return {
        "seed": seed,
        **summary(people, spare, frames),
        "median_ms": times,
        "frames_per_core_second": rates,
    }


def _marked(picture: Pixels, seen: Sequence[Seen]) -> Pixels:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for one in seen:
        if one.share >= VISIBLE and not one.found:
            draw.rectangle(tuple(one.box.tolist()), outline=(255, 0, 0))
    return np.asarray(image)


def _save_sheet(pictures: Sequence[Pixels], path: Path, columns: int = 6, rows: int = 9) -> None:
    count = min(len(pictures), columns * rows)
    cell = (320, 256)
    sheet = Image.new("RGB", (cell[0] * columns, cell[1] * -(-count // columns)))
    for place, index in enumerate(np.linspace(0, len(pictures) - 1, count, dtype=int)):
        fitting = ImageOps.fit(Image.fromarray(pictures[index]), cell)
        sheet.paste(fitting, (cell[0] * (place % columns), cell[1] * (place // columns)))
    sheet.save(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model.rendered_people", description=__doc__)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/rendered_people.json"))
    parser.add_argument("--sheet", type=Path, help="write a contact sheet to this PNG file")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        measured = measure(chosen.frames, chosen.seed, chosen.sheet)
    except (weights.WeightsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    provenance = {"commit": machine.commit(Path(__file__).parents[2]), "machine": machine.describe()}
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps({**measured, **provenance}, indent=1, sort_keys=True) + "\n", "utf-8")
    shown = ("recall", "counted", "keypoint_error_percent_of_stature", "frames_per_core_second")
    print(json.dumps({key: measured[key] for key in shown}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
