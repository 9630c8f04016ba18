"""Videos through a model: turned as they are shown, analysed up to a fault, and opened as nothing but videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ring_buffers.frames import Lease, SlotFormat
from stages.types import FrameAnalysis
from support.engines.film_models import SIZE, Scripted, damage, make_film
from support.training.kinetics_tps_examples import HEIGHT, WIDTH, put_clip
from training.kinetics_tps.video_facts import probe
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError, read_frames


def pictures(path: Path) -> list[np.ndarray]:
    seen: list[np.ndarray] = []

    def say(lease: Lease) -> FrameAnalysis:
        seen.append(lease.picture.copy())
        return FrameAnalysis()

    list(analyse_video(Scripted(say), path))
    return seen


def test_frames_are_rotated_as_shown(tmp_path: Path) -> None:
    upright = pictures(make_film(tmp_path / "upright.mp4", 2))[1]
    assert upright.shape == (SIZE[1], SIZE[0], 3)
    assert upright[:, :70].min() > 240 and upright[:, 90:].max() < 15
    turned = pictures(make_film(tmp_path / "turned.mp4", 2, shown_turned=True))[1]
    assert turned.shape == (SIZE[0], SIZE[1], 3)
    assert turned[:70].min() > 240 and turned[90:].max() < 15  # clockwise: what was left is on top
    assert probe(tmp_path / "turned.mp4") == (2, SIZE[1], SIZE[0])


def test_frames_before_damage_are_analysed_and_then_the_video_is_named(tmp_path: Path) -> None:
    film = damage(make_film(tmp_path / "worn.mp4"))
    model, numbers = Scripted(), []
    with pytest.raises(VideoReadError, match=r"worn\.mp4: can't be read: "):
        for meta, _ in analyse_video(model, film):
            numbers.append(meta.frame)
    assert 0 < len(numbers) < 11 and numbers == list(range(len(numbers)))
    assert model.forgotten == ["worn.mp4"]


def test_stopping_early_ends_the_videos_tracks(tmp_path: Path) -> None:
    model = Scripted()
    frames = analyse_video(model, make_film(tmp_path / "film.mp4"))
    next(frames)
    frames.close()
    assert model.forgotten == ["film.mp4"]


def test_single_frames_equal_those_of_the_whole_video_and_later_ones_are_not_decoded(tmp_path: Path) -> None:
    film = put_clip(tmp_path / "clip.mp4")
    every = pictures(film)
    asked: list[tuple[int, int]] = []

    def whole(size: tuple[int, int]) -> SlotFormat:
        asked.append(size)
        return SlotFormat("rgb24", size, size)

    found = list(read_frames(film, whole, [7, 2, 3]))
    assert [lease.meta.frame for lease in found] == [2, 3, 7]
    assert all((lease.picture == every[lease.meta.frame]).all() for lease in found)
    assert [lease.meta.media_us for lease in found] == [80_000, 120_000, 280_000] and asked == [(WIDTH, HEIGHT)]
    assert list(read_frames(tmp_path / "none.mp4", whole, [])) == []
    worn = damage(make_film(tmp_path / "worn.mp4"))
    assert [lease.meta.frame for lease in read_frames(worn, whole, [0, 1])] == [0, 1], "the damage lies behind them"
