"""Sheets of wrong answers on labelled footage: for each clip, pictures of the people with label and answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ring_buffers.frames import Lease, SlotFormat
from stages.types import FrameAnalysis, Model, ModelInfo
from training.footage.labels import Box, ClipLabels, instants
from training.footage.runs import FootageError
from training.footage.scoring import WITHIN_S, Judged
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError

MOST_TILES = 24
"""Most pictures on a sheet."""
TILE_HEIGHT = 240
"""Height of each picture on the sheet, in pixels."""
_AROUND, _LEAST_AROUND = 0.4, 16.0
"""Margin around a box: share of its longer side, and the least margin in pixels for distant people."""
_SHEET_WIDTH, _GAP = 1600, 8
_LINE, _TEXT = 18, 14
_BOX_COLOUR = (255, 220, 60)

Region = tuple[int, int, int, int]
"""x1, y1, x2, y2 in whole pixels of the footage."""


class Tile(NamedTuple):
    """One wrong instant: a picture around the person, `TILE_HEIGHT` pixels high, with the labelled box."""

    judged: Judged
    region: Region
    """The region cut out of the frame."""
    picture: Image.Image

    @property
    def caption(self) -> tuple[str, str]:
        """Two lines: time and person; label and answer."""
        one = self.judged
        if one.missed:
            answer = "not detected"
        else:
            answer = "no answer yet" if one.answer is None else f"answered {one.answer} {one.score:.2f}"
        return f"{one.time:g} s, person {one.person}", f"{one.truth}: {answer}"


def wrong(judged: Iterable[Judged]) -> list[Judged]:
    """Return wrong answers by descending score, then people without an answer, then missed people, by time."""
    ones = [one for one in judged if one.answer != one.truth]
    return sorted(ones, key=lambda one: (one.missed, one.answer is None, -one.score, one.time, one.person))


def cut_tiles(film: Path, labels: ClipLabels, judged: Sequence[Judged]) -> list[Tile]:
    """Return pictures of these instants, from the nearest frames, as the answers are.

    Raises `FootageError` if the film cannot be read that far.
    """
    if not judged:
        return []
    boxes = {(one.person, one.time): one.box for one in instants(labels)}
    found = [boxes[one.person, one.time] for one in judged]
    cutter = _RegionCutter([(one.time, _around(box, labels.size)) for one, box in zip(judged, found)])
    try:
        for _ in analyse_video(cutter, film, until_s=max(one.time for one in judged) + WITHIN_S):
            pass
    except VideoReadError as error:
        raise FootageError(str(error)) from None
    return [
        Tile(one, region, _enlarged(pixels, box, region))
        for one, box, (_, region), pixels in zip(judged, found, cutter.places, cutter.cuts, strict=True)
    ]


def save_sheet(folder: Path, film: Path, labels: ClipLabels, judged: Sequence[Judged]) -> Path:
    """Draw a clip's wrong answers, at most `MOST_TILES`, into `<clip>.jpg` in an existing folder, and return its path.

    `judged` has all answers for one labeller. Raises `FootageError`, and OSError if the file cannot be written.
    """
    mistakes = wrong(judged)
    tiles = cut_tiles(film, labels, mistakes[:MOST_TILES])
    title = f"{_title(labels, judged, mistakes)}; {len(tiles)} of {len(mistakes)} shown"
    path = folder / f"{labels.clip}.jpg"
    unfinished = path.with_name(f".{path.name}.part")
    lay_out(title, tiles).save(unfinished, "JPEG", quality=90)
    unfinished.replace(path)
    return path


def lay_out(title: str, tiles: Sequence[Tile]) -> Image.Image:
    """Return a sheet with a title and rows of pictures, each with its two lines of caption below."""
    places: list[tuple[int, int]] = []
    left, top = _GAP, _LINE + 2 * _GAP
    for tile in tiles:
        width = _cell_width(tile)
        if left > _GAP and left + width + _GAP > _SHEET_WIDTH:
            left, top = _GAP, top + TILE_HEIGHT + 2 * _LINE + _GAP
        places.append((left, top))
        left += width + _GAP
    sheet = Image.new("RGB", (_SHEET_WIDTH, top + TILE_HEIGHT + 2 * _LINE + _GAP if tiles else top))
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, fill="white", font_size=_TEXT)
    for tile, (left, top) in zip(tiles, places, strict=True):
        sheet.paste(tile.picture, (left, top))
        for line, (text, colour) in enumerate(zip(tile.caption, ("white", _BOX_COLOUR))):
            draw.text((left, top + TILE_HEIGHT + line * _LINE), text, fill=colour, font_size=_TEXT)
    return sheet


def _title(labels: ClipLabels, judged: Sequence[Judged], mistakes: Sequence[Judged]) -> str:
    halves = [half for half in ("development", "test") if any(labels.half_of(one.time) == half for one in judged)]
    seconds, wrong_seconds = (sum(one.seconds for one in ones) for ones in (judged, mistakes))
    where = ", ".join([labels.clip, *halves, f"labeller {labels.labeller}"])
    return f"{where}: {wrong_seconds:g} of {seconds:g} person-seconds are wrong"


def _cell_width(tile: Tile) -> int:
    draw = ImageDraw.Draw(tile.picture)
    return max(tile.picture.width, *(math.ceil(draw.textlength(line, font_size=_TEXT)) for line in tile.caption))


def _around(box: Box, size: tuple[int, int]) -> Region:
    """Return a box with its margin, clipped to a frame of (width, height)."""
    x1, y1, x2, y2 = box
    more = max(_LEAST_AROUND, _AROUND * max(x2 - x1, y2 - y1))
    width, height = size
    left, top = max(0, math.floor(x1 - more)), max(0, math.floor(y1 - more))
    return left, top, min(width, math.ceil(x2 + more)), min(height, math.ceil(y2 + more))


def _enlarged(pixels: NDArray[np.uint8], box: Box, region: Region) -> Image.Image:
    """Return a region as a picture, `TILE_HEIGHT` pixels high and no wider than the sheet, with the box drawn in."""
    height, width = pixels.shape[:2]
    shown = min(round(width * TILE_HEIGHT / height), _SHEET_WIDTH - 2 * _GAP)
    picture = Image.fromarray(pixels).resize((shown, TILE_HEIGHT), Image.Resampling.BICUBIC)
    across, down = shown / width, TILE_HEIGHT / height
    x1, y1, x2, y2 = box
    corners = ((x1 - region[0]) * across, (y1 - region[1]) * down, (x2 - region[0]) * across, (y2 - region[1]) * down)
    ImageDraw.Draw(picture).rectangle(corners, outline=_BOX_COLOUR, width=2)
    return picture


class _RegionCutter(Model):
    """A stand-in for a model that keeps a region of the frame nearest to each time.

    Pictures are therefore rotated and timed as for the scored model.
    """

    info = ModelInfo("cutter", "none", False)

    def __init__(self, places: Sequence[tuple[float, Region]]) -> None:
        self.places = places
        self.cuts: list[NDArray[np.uint8]] = [np.zeros((1, 1, 3), np.uint8)] * len(places)
        self._distances = [math.inf] * len(places)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        return SlotFormat("rgb24", source_size, source_size)

    def warm_up(self) -> None: ...

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        for lease in frames:
            for at, (time, (x1, y1, x2, y2)) in enumerate(self.places):
                distance = abs(lease.meta.media_us / 1e6 - time)
                if distance < self._distances[at]:
                    self._distances[at] = distance
                    self.cuts[at] = lease.picture[y1:y2, x1:x2].copy()
        return [FrameAnalysis() for _ in frames]

    def forget(self, camera: str) -> None: ...
