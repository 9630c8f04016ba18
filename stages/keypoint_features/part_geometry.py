"""Features of each body part in a step window, by name."""

from __future__ import annotations

import numpy as np

from stages.keypoint_features.skeleton import CHAINS, FACE, MIRRORED, NECK, Flags, Floats
from stages.keypoint_features.step_window import SPANS, Lag, StepWindow

_EPSILON = np.float32(1e-6)
_MIN_SPAN_S = np.float32(0.2)
"""Least duration over which the distance travelled per second is computed for a new track."""

_CHAIN = np.array(CHAINS)
_ROOTS, _JOINTS, _ENDS = _CHAIN.T


def part_features(window: StepWindow) -> dict[str, Floats]:
    """Return features of each part's chain root → joint → end by name, [M, 10, …], in statures and seconds."""
    windows = len(window.points_now)
    points, present = window.points_now, window.present_now
    direction, bend = _segments(points, present)
    pieces: dict[str, Floats] = {
        "place": points[:, _CHAIN].reshape(windows, len(CHAINS), 6),
        "scores": window.scores_now[:, _CHAIN],
        "present": present[:, _CHAIN].astype(np.float32),
        "segments": direction,
        "bend": bend,
    }
    lags = {"short": window.short, "long": window.long}
    velocity = {name: window.velocity(lag) for name, lag in lags.items()}
    for name, lag in lags.items():
        of_points = velocity[name]
        pieces[f"end_velocity_{name}"] = of_points[:, _ENDS]
        pieces[f"joint_velocity_{name}"] = of_points[:, _JOINTS]
        pieces[f"end_speed_{name}"] = _length(of_points[:, _ENDS])[..., None]
        pieces[f"bend_change_{name}"] = _bend_change(window, bend, lag)
    # Relative to the picture instead of the root, so that a standing foot has velocity 0.
    for name, lag in lags.items():
        ground = np.where(
            present[:, _ENDS, None], velocity[name][:, _ENDS] + window.root_velocity(lag)[:, None], np.float32(0)
        )
        pieces[f"ground_velocity_{name}"] = ground
        pieces[f"ground_speed_{name}"] = _length(ground)[..., None]
    pieces |= _movement(window)
    neck = (present[:, _ENDS] & present[:, NECK, None])[..., None]
    pieces["end_from_neck"] = np.where(neck, points[:, _ENDS] - points[:, None, NECK], np.float32(0))
    for name, other in (("mirrored", _ENDS[list(MIRRORED)]), ("face", np.full_like(_ENDS, FACE))):
        both = (present[:, _ENDS] & present[:, other])[..., None]
        offset = np.where(both, points[:, _ENDS] - points[:, other], np.float32(0))
        pieces[f"end_from_{name}"] = offset
        pieces[f"distance_{name}"] = _length(offset)[..., None]
        pieces[f"approach_{name}"] = window.distance(_ENDS, other, window.short)[1][..., None]
    return pieces


def _length(vectors: Floats) -> Floats:
    return np.sqrt((vectors**2).sum(-1))


def _segments(points: Floats, present: Flags) -> tuple[Floats, Floats]:
    """Return unit directions and lengths of each chain, [M, 10, 6], and cosine and sine of its bend, [M, 10, 2]."""
    pieces: list[Floats] = []
    units: list[Floats] = []
    for a, b in ((_ROOTS, _JOINTS), (_JOINTS, _ENDS)):
        vector = points[:, b, :] - points[:, a, :]
        ok = present[:, a] & present[:, b]
        length = np.sqrt((vector * vector).sum(-1))
        unit = np.where(ok[..., None], vector / np.maximum(length, _EPSILON)[..., None], np.float32(0))
        units.append(unit)
        pieces += [unit, np.where(ok, length, np.float32(0))[..., None]]
    u, v = units
    cosine = (u * v).sum(-1)
    sine = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return np.concatenate(pieces, -1, dtype=np.float32), np.stack([cosine, sine], -1, dtype=np.float32)


def _bend_change(window: StepWindow, bend: Floats, lag: Lag) -> Floats:
    """Return the change of cosine and sine of the bend over the lag, [M, 10, 2]; zero where either is unknown."""
    before = _segments(lag.at(window.points), lag.at(window.present))[1]
    known = (np.abs(bend).sum(-1) > 0) & (np.abs(before).sum(-1) > 0) & lag.usable[:, None]
    return np.where(known[..., None], bend - before, np.float32(0))


def _movement(window: StepWindow) -> dict[str, Floats]:
    """Return range, and distance travelled per second, in x and y, of the parts' ends over 1 s and 2 s."""
    # Steps come before windows, [2, H, M, 10], so that reductions over H run along long rows.
    ends = np.ascontiguousarray(window.points[:, :, _ENDS].transpose(3, 1, 0, 2))
    present = np.ascontiguousarray(window.present[:, :, _ENDS].swapaxes(0, 1))
    ages = np.ascontiguousarray(window.ages.T)
    big = np.float32(1e6)
    stride = np.where(present[1:] & present[:-1], np.abs(ends[:, 1:] - ends[:, :-1]), np.float32(0))
    found: dict[str, Floats] = {}
    for span in SPANS:
        recent = window.within(span).T
        used = present & recent[..., None]
        high = np.where(used, ends, -big).max(1)
        low = np.where(used, ends, big).min(1)
        found[f"range_{span:.0f}s"] = np.where(high > low, high - low, np.float32(0)).transpose(1, 2, 0)
        duration = np.where(recent, ages, np.float32(0)).max(0)
        travelled = np.where(recent[:-1, :, None], stride, np.float32(0)).sum(1)
        rate = travelled / np.maximum(duration, _MIN_SPAN_S)[:, None]
        found[f"travelled_{span:.0f}s"] = rate.transpose(1, 2, 0)
    return found
