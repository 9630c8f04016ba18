"""The label files of real footage are whole, and their two labellers agree as far as docs/footage.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from stages.third_party.weight_catalogue import CATALOGUE
from training.footage.labels import read_labels
from training.footage.scoring import agreement

FOLDER = Path(training.__file__).parent / "footage"
CLIPS = sorted({path.name.split(".")[0] for path in FOLDER.glob("*.json")})


def test_every_clip_has_two_labellers() -> None:
    assert len(CLIPS) == 12
    files = sorted(path.name for path in FOLDER.glob("*.json"))
    assert files == [f"{clip}.{labeller}.json" for clip in CLIPS for labeller in "ab"]


@pytest.mark.parametrize("clip", CLIPS)
def test_labels_are_whole_and_about_footage_that_can_be_fetched(clip: str) -> None:
    for who in "ab":
        labels = read_labels(FOLDER / f"{clip}.{who}.json")
        assert (labels.clip, labels.labeller) == (clip, who)
        assert labels.asset in CATALOGUE
        assert labels.people


def test_on_the_street_the_labellers_agree_as_the_page_says() -> None:
    first, second = (read_labels(FOLDER / f"vtest.{who}.json") for who in "ab")
    development, test = agreement(first, second, "development"), agreement(first, second, "test")
    assert (development.compared, round(development.percent, 1), round(development.kappa or 0, 2)) == (248, 99.6, 0.98)
    assert (test.compared, round(test.percent, 1), round(test.kappa or 0, 2)) == (244, 98.8, 0.94)
