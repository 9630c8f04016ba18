"""The packaged labels of real footage are valid files."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from stages.third_party.weight_catalogue import CATALOGUE
from training.footage.labels import read_labels

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
