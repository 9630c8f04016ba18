"""The terms of weights follow from what a checkpoint learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from stages.packaged_checkpoints import FOLDER, PACKAGED, is_packaged, summary, vocabulary_of
from stages.third_party.weights import WeightsError
from stages.vocabulary import packaged
from stages.weight_terms import ANY_USE, LEARNED_FROM, LIMITED_USE, LearnedSource, weight_terms
from support.repository import REPOSITORY


def source(terms: str, **more: Any) -> dict[str, Any]:
    return {"dataset": "A set", "terms": terms, **more}


@pytest.mark.parametrize(
    ("sources", "use"),
    [
        ({}, ANY_USE),
        ({"a": source("open")}, ANY_USE),
        ({"a": source("open"), "b": source("nc")}, LIMITED_USE),
        ({"a": source("research")}, LIMITED_USE),
        ({"a": source("none-stated")}, LIMITED_USE),
        ({"a": source("none-stated", any_use=True)}, ANY_USE),
        ({"videos in films": source("unrecorded", any_use=False)}, "as the terms of videos in films permit"),
        ({"a": source("nc"), "videos in films": source("unrecorded", any_use=False)}, LIMITED_USE),
    ],
)
def test_weights_are_for_any_use_only_if_each_source_permits_it(sources: dict[str, Any], use: str) -> None:
    found = weight_terms({LEARNED_FROM: sources})
    assert found.use == use
    assert weight_terms({LEARNED_FROM: found.to_metrics()}) == found


def test_the_terms_of_a_checkpoint_without_a_record_of_a_training_run_are_unknown() -> None:
    assert weight_terms({"config": None}) == weight_terms({"steps": 3})
    found = weight_terms({"steps": 3})
    assert str(found) == found.use == "unknown: the weights do not record what they learned from"
    assert found.learned_from == "unknown"
    again = weight_terms({LEARNED_FROM: found.with_sources(LearnedSource("a", "A", "open", True)).to_metrics()})
    assert again.use == found.use


@pytest.mark.parametrize(
    "metrics",
    [
        [],
        {LEARNED_FROM: ["a"]},
        {LEARNED_FROM: {"a": {}}},
        {LEARNED_FROM: {"a": source("open", any_use="yes")}},
        {LEARNED_FROM: {"a": source("nc", any_use=True)}},
        {LEARNED_FROM: {"a": source("unrecorded", any_use=True)}},
        {LEARNED_FROM: {"a": source("OPEN", any_use=True)}},
        {"recorded": 3},
    ],
)
def test_a_damaged_record_is_an_error_and_never_any_use(metrics: Any) -> None:
    with pytest.raises(ValueError):
        weight_terms(metrics)


def test_the_packaged_checkpoints_have_terms_and_each_profile_has_a_vocabulary_or_its_own() -> None:
    for profile, file in PACKAGED.items():
        path, found = REPOSITORY / "stages" / FOLDER / file, summary(profile)
        assert (found.profile, found.size) == (profile, path.stat().st_size)
        assert found.terms.use == (LIMITED_USE if profile == "edge" else ANY_USE)
    assert vocabulary_of("edge-open") == vocabulary_of("edge") == packaged("edge")


def test_a_summary_is_read_from_a_path_and_a_file_that_is_no_checkpoint_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.safetensors"
    metrics = {LEARNED_FROM: {"a": source("nc")}}
    save_file({"x": torch.zeros(1)}, path, {"profile": "edge", "metrics": json.dumps(metrics)})
    assert str(summary(str(path))).endswith(
        f"{LIMITED_USE}; learned from generated motion and 1 source, 1 of limited use"
    )
    assert summary(str(path)).terms.learned_from == "generated motion, a (nc)"
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="damaged"):
        summary(str(path))
    for missing in (str(tmp_path / "none.safetensors"), "edge-open"):
        monkeypatch.setitem(PACKAGED, "edge-open", "left-out.safetensors")
        with pytest.raises(WeightsError, match=r"no such checkpoint|is missing"):
            summary(missing)


def test_only_paths_in_the_folder_of_the_packaged_checkpoints_are_packaged(tmp_path: Path) -> None:
    assert is_packaged(REPOSITORY / "stages" / FOLDER / "new.safetensors")
    (tmp_path / "link").symlink_to(REPOSITORY / "stages" / FOLDER)
    assert is_packaged(tmp_path / "link" / "edge.safetensors")
    assert not is_packaged(tmp_path / "edge.safetensors")
