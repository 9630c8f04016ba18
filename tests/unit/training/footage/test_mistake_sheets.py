"""Sheets of wrong answers: the people on them, their order, and the pixels of the right frames."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from run_stream import app
from stages.third_party import weights
from support.engines.film_models import SIZE, damage, make_film
from training.footage.labels import BoxAt, ClipLabels, Person, Span, instants
from training.footage.mistake_sheets import MOST_TILES, TILE_HEIGHT, Tile, cut_tiles, lay_out, save_sheet, wrong
from training.footage.runs import FootageError, packaged_labels
from training.footage.scoring import Judged


def judged(
    person: int, time: float, truth: str, answer: str | None, score: float = 0.0, *, missed: bool = False
) -> Judged:
    return Judged("vtest", person, time, 1.0, truth, answer, score, missed)


SURE = judged(1, 2.0, "walk", "jump", 0.9)
OTHER = judged(1, 1.0, "walk", "other", 0.6)
NO_ANSWER = judged(2, 1.0, "walk", None)
MISSED = judged(3, 1.0, "walk", None, missed=True)
RIGHT = judged(1, 0.0, "walk", "walk", 0.99)


@pytest.fixture(scope="module")
def street() -> tuple[Path, ClipLabels]:
    return weights.locate("vtest", "vtest.avi"), packaged_labels()["vtest"][0]


@pytest.fixture(scope="module")
def frames(street: tuple[Path, ClipLabels]) -> list[NDArray[np.uint8]]:
    """Return the street's first 31 pictures, ten per second."""
    with av.open(str(street[0])) as film:
        return [np.asarray(frame.to_image().convert("RGB"), np.uint8) for frame in islice(film.decode(video=0), 31)]


def test_wrong_answers_are_sorted_by_score_before_missed_people_and_without_correct_ones() -> None:
    assert wrong([MISSED, RIGHT, NO_ANSWER, OTHER, SURE]) == [SURE, OTHER, NO_ANSWER, MISSED]


def test_a_tile_shows_the_person_in_the_frame_of_that_instant(
    street: tuple[Path, ClipLabels], frames: list[NDArray[np.uint8]]
) -> None:
    film, labels = street
    boxes = {(one.person, one.time): one.box for one in instants(labels)}
    tiles = cut_tiles(film, labels, [SURE, OTHER, MISSED])
    assert [tile.judged for tile in tiles] == [SURE, OTHER, MISSED]
    for tile in tiles:
        x1, y1, x2, y2 = boxes[tile.judged.person, tile.judged.time]
        left, top, right, bottom = tile.region
        assert 0 <= left < x1 and 0 <= top < y1 and x2 < right <= 768 and y2 < bottom <= 576
        assert tile.picture.height == TILE_HEIGHT
        small = np.asarray(tile.picture.resize((right - left, bottom - top), Image.Resampling.BOX), np.float64)
        inner = np.s_[int(y1) + 4 : int(y2) - 4, int(x1) + 4 : int(x2) - 4]
        shown = small[inner[0].start - top : inner[0].stop - top, inner[1].start - left : inner[1].stop - left]
        away = [np.abs(shown - frame[inner]).mean() for frame in frames]
        assert int(np.argmin(away)) == round(tile.judged.time * 10)
        assert min(away) < 4
        outline = small[round(y1) - top - 1 : round(y1) - top + 2, round((x1 + x2) / 2) - left]
        assert np.abs(outline - (255, 220, 60)).mean(-1).min() < 25


def test_captions_have_time_person_label_and_answer(street: tuple[Path, ClipLabels]) -> None:
    captions = [tile.caption for tile in cut_tiles(*street, [SURE, NO_ANSWER, MISSED])]
    assert captions == [
        ("2 s, person 1", "walk: answered jump 0.90"),
        ("1 s, person 2", "walk: no answer yet"),
        ("1 s, person 3", "walk: not detected"),
    ]


def test_a_sheet_has_each_wrong_instant_once_and_no_correct_one(
    street: tuple[Path, ClipLabels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid: list[tuple[str, list[Tile]]] = []

    def keep(title: str, tiles: list[Tile]) -> Image.Image:
        laid.append((title, tiles))
        return lay_out(title, tiles)

    monkeypatch.setattr("training.footage.mistake_sheets.lay_out", keep)
    path = save_sheet(tmp_path, *street, [RIGHT, MISSED, SURE])
    [(title, tiles)] = laid
    assert title == "vtest, development, labeller a: 2 of 3 person-seconds are wrong; 2 of 2 shown"
    assert [tile.judged for tile in tiles] == [SURE, MISSED]
    assert list(tmp_path.iterdir()) == [path] and path.name == "vtest.jpg"
    sheet = np.asarray(Image.open(path), np.float64)
    for tile in tiles:
        assert _best_fit(sheet, tile) < 5


def test_the_wrong_instants_with_the_highest_scores_are_shown_and_all_are_counted(
    street: tuple[Path, ClipLabels], tmp_path: Path
) -> None:
    film, labels = street
    people = [one for one in instants(labels, "development") if one.time <= 6][: MOST_TILES + 6]
    assert len(people) == MOST_TILES + 6
    ones = [judged(one.person, one.time, "walk", "jump", 0.01 * at) for at, one in enumerate(people)]
    tiles = cut_tiles(film, labels, wrong(ones)[:MOST_TILES])
    assert [tile.judged.score for tile in tiles] == [0.01 * at for at in range(MOST_TILES + 5, 5, -1)]
    whole, fewer = lay_out("title", tiles), lay_out("title", tiles[:3])
    assert whole.width == fewer.width and whole.height > fewer.height + TILE_HEIGHT
    assert save_sheet(tmp_path, film, labels, ones).exists()
    assert Image.open(tmp_path / "vtest.jpg").size == whole.size


def test_a_sheet_without_wrong_answers_replaces_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "vtest.jpg").write_text("an older one")
    labels = packaged_labels()["vtest"][0]
    save_sheet(tmp_path, tmp_path / "not-even-opened.avi", labels, [RIGHT])
    assert Image.open(tmp_path / "vtest.jpg").height < TILE_HEIGHT


def labels_of(film: Path, size: tuple[int, int], *boxes: tuple[float, float, float, float, float]) -> ClipLabels:
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    person = Person(1, tuple(BoxAt(*box) for box in boxes), (Span(0.0, 9.0, "walk"),))
    return ClipLabels(
        "turned", "none", film.name, digest, size, 10.0, 1.0, "a", (0.0, 9.0), (9.0, 9.0), ("walk", "other"), (person,)
    )


def test_a_rotated_film_is_shown_rotated(tmp_path: Path) -> None:
    film = make_film(tmp_path / "turned.mp4", 3, shown_turned=True)
    size = (SIZE[1], SIZE[0])
    labels = labels_of(film, size, (0.0, 30, 60, 90, 100))
    [tile] = cut_tiles(film, labels, [judged(1, 0.0, "walk", "jump", 0.5)])
    picture = np.asarray(tile.picture.convert("L"))
    middle = tile.picture.width // 2
    assert picture[20, middle] > 240 and picture[TILE_HEIGHT - 20, middle] < 15  # white is on top


def test_a_film_that_cannot_be_read_up_to_the_instant_is_named(tmp_path: Path) -> None:
    film = damage(make_film(tmp_path / "worn.mp4"))
    labels = labels_of(film, SIZE, (1.0, 30, 20, 60, 100))
    with pytest.raises(FootageError, match=r"worn\.mp4: can't be read"):
        cut_tiles(film, labels, [judged(1, 1.0, "walk", "jump", 0.5)])


def test_a_folder_that_cannot_be_made_is_a_usage_error_before_anything_is_run(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        done = CliRunner(env={"COLUMNS": "200", "PARTSTREAM_CACHE": str(tmp_path / "empty")}).invoke(
            app, ["footage", "score", "--pictures", str(place)]
        )
        assert done.exit_code == 2
        assert f"the folder {place} cannot be made" in done.output


def _best_fit(sheet: NDArray[np.float64], tile: Tile) -> float:
    """Return the least mean difference, in grey levels, between the tile's picture and any place in the sheet's only
    row."""
    picture = np.asarray(tile.picture, np.float64)
    height, width = picture.shape[:2]
    top = 18 + 2 * 8  # below the title
    return min(
        float(np.abs(sheet[top : top + height, left : left + width] - picture).mean())
        for left in range(sheet.shape[1] - width)
    )
