"""Terms of trained weights: from the data, the recipe's decision, and the initial weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.packaged_checkpoints import FOLDER
from stages.vocabulary import packaged
from stages.weight_terms import ANY_USE, LIMITED_USE, LearnedSource, WeightTerms, weight_terms
from support.repository import REPOSITORY
from support.training.data_folders import seen_people
from training.annotated_videos.clips import Clip, Folder
from training.annotated_videos.step_labels import Labels
from training.run.learning.training_run import TrainingError
from training.run.record import check_profile, initial_terms, resulting_terms
from training.run.train import check_output
from training.settings.run_config import RecordedConfig, load
from training.sources.formats.importing import missing_sources
from training.sources.terms import SourceFacts, permits_any_use
from training.synthetic.videos.making import note_file

CONFIGS = REPOSITORY / "training" / "configs"


def test_a_recipe_can_permit_any_use_where_no_terms_are_stated_but_not_against_stated_terms() -> None:
    terms = ("open", "none-stated", "research", "nc")
    facts = [SourceFacts("a", one) for one in terms]
    assert [permits_any_use(one) for one in facts] == [True, False, False, False]
    assert [permits_any_use(one, {"a"}) for one in facts] == [True, True, False, False]


def test_the_open_recipe_learns_from_open_sources_and_the_two_annotation_sets_only() -> None:
    config = load(CONFIGS / "edge-open.yaml", {"data": {"recorded": {"folder": "data"}}})
    recorded = config.data.recorded
    assert config.profile == "edge-open"
    assert (recorded.terms, recorded.also) == (("open",), ("penn_action", "jhmdb"))
    whole = load(CONFIGS / "edge-recorded.yaml", {"data": {"recorded": {"folder": "data"}}})
    assert whole.profile == "edge"
    assert len(whole.data.recorded.terms) == 4


def test_weights_of_the_open_profile_cannot_come_from_limited_or_unknown_ones() -> None:
    limited = WeightTerms((LearnedSource("b", "B", "nc", False),))
    assert limited.use == LIMITED_USE
    check_profile("edge", limited)
    check_profile("edge-open", WeightTerms((LearnedSource("a", "A", "open", True),)))
    check_profile("edge-open", resulting_terms(WeightTerms(), None, None, "my_clips"))
    with pytest.raises(TrainingError, match=rf"edge-open is for {ANY_USE}, .* learn from b \(nc\)"):
        check_profile("edge-open", limited)
    with pytest.raises(TrainingError, match=rf"edge-open is for {ANY_USE}"):
        check_profile("edge-open", initial_terms(load(None, {"start": "edge"})))
    check_profile("edge-open", initial_terms(load(None, {"start": "edge-open"})))
    unknown = weight_terms({}).with_sources(LearnedSource("a", "A", "open", True))
    with pytest.raises(TrainingError, match="would learn from unrecorded data"):
        check_profile("edge-open", unknown)


def test_missing_public_sources_are_named_as_far_as_the_recipe_permits_them() -> None:
    everything = {source.id for source in missing_sources(RecordedConfig.model_validate({}))}
    assert {"ui_prmd", "utkinect", "bandai_namco", "jhmdb", "ase", "le2i"} <= everything
    some = RecordedConfig.model_validate({"terms": ["open"], "also": ["jhmdb"], "without": ["reactidle"]})
    named = {source.id: source.home for source in missing_sources(some, {"ui_prmd"})}
    assert named.keys() == {"cmu_dragon", "cmu_dmgnn", "mesh2motion", "jhmdb"} and all(named.values())


def test_no_run_writes_into_the_folder_of_the_packaged_checkpoints(tmp_path: Path) -> None:
    check_output(tmp_path / "edge.safetensors")
    with pytest.raises(TrainingError, match="folder of the packaged checkpoints"):
        check_output(REPOSITORY / "stages" / FOLDER / "edge.safetensors")


def test_own_videos_have_terms_that_only_their_owner_knows_and_generated_ones_have_none(tmp_path: Path) -> None:
    masks = np.zeros((0, 10, 4), bool)
    labels = Labels(np.zeros(0, np.int64), masks, masks[..., 0], masks[..., 0], masks[..., 0])
    clips = [Clip(name, "walk", (4, 4), seen_people({}), labels) for name in ("a", "b")]
    videos = Folder(tmp_path, packaged("edge"), {"train": clips, "validation": [], "test": []}, "0")
    note_file(tmp_path, "a").parent.mkdir()
    note_file(tmp_path, "a").touch()
    assert resulting_terms(WeightTerms(), videos, None).use == f"as the terms of videos in {tmp_path.name} permit"
    examples = resulting_terms(WeightTerms(), None, None, "my_clips")
    assert examples.use == "as the terms of videos in my_clips permit"
    note_file(tmp_path, "b").touch()
    assert resulting_terms(WeightTerms(), videos, None) == WeightTerms()
