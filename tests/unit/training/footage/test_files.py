"""The packaged labels of real footage: valid files, and the agreement of labellers that docs/footage.md states."""

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
def test_labels_are_valid_and_their_footage_can_be_fetched(clip: str) -> None:
    for labeller in "ab":
        labels = read_labels(FOLDER / f"{clip}.{labeller}.json")
        assert (labels.clip, labels.labeller) == (clip, labeller)
        assert labels.asset in CATALOGUE
        assert labels.people


def test_the_labellers_of_vtest_agree_as_documented() -> None:
    first, second = (read_labels(FOLDER / f"vtest.{labeller}.json") for labeller in "ab")
    development, test = agreement(first, second, "development"), agreement(first, second, "test")
    assert (development.compared, round(development.percent, 1), round(development.kappa or 0, 2)) == (248, 99.6, 0.98)
    assert (test.compared, round(test.percent, 1), round(test.kappa or 0, 2)) == (244, 98.8, 0.94)
