"""Training configurations: the packaged files, reading and printing, and errors by file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.repository import REPOSITORY
from training.settings.run_config import TrainingConfig, TrainingConfigError, commented, load

EDGE = REPOSITORY / "training" / "configs" / "edge.yaml"


def file_of(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_file_has_the_defaults() -> None:
    assert load(EDGE) == TrainingConfig() == load()
    assert EDGE.read_text(encoding="utf-8") == commented(), (
        "training/configs/edge.yaml is old: run `partstream train config > training/configs/edge.yaml`"
    )


@pytest.mark.parametrize(
    ("name", "hidden", "features", "optimiser"),
    [("kinetics-tps", (512, 512), 4096, "sgd"), ("kinetics-tps-tiny", (64, 96), 128, "adamw")],
)
def test_the_papers_recipe_is_packaged_as_configurations_that_need_a_folder(
    name: str, hidden: tuple[int, int], features: int, optimiser: str
) -> None:
    path = EDGE.with_name(f"{name}.yaml")
    with pytest.raises(TrainingConfigError, match=rf"{name}\.yaml: .*needs annotated videos: set data\.folder"):
        load(path)
    config = load(path, {"data": {"folder": "films"}})
    assert config.profile == "kinetics-tps"
    model, actions = config.model, config.actions
    assert (model.visual, model.regions, model.visual_hidden, model.geometry) == ("all", "vgg", 0, False)
    assert (model.graph_hidden, model.action_hidden) == hidden and model.vgg.hidden == features
    assert (config.optimiser.name, config.optimiser.momentum, model.dropout) == (optimiser, 0.9, 0.5)
    assert min(actions.frame_weight, actions.last_step_weight) > 0
    # Only as in the report: the last step alone counts, and the learning rate falls to zero.
    assert optimiser != "sgd" or actions.every_step_weight == config.optimiser.final_share == 0
    assert min(config.states.weight, config.relevance.weight) > 0 and config.evaluation.select == "area"


def test_a_printed_configuration_is_read_back_unchanged(tmp_path: Path) -> None:
    changes = {"seed": 7, "optimiser": {"clip_norm": None, "ema_decay": 0.998}, "states": {"loss": "focal"}}
    config = load(None, changes)
    assert load(file_of(tmp_path, commented(config))) == config != load()


def test_a_file_may_hold_only_changes_and_options_override_it(tmp_path: Path) -> None:
    path = file_of(tmp_path, "steps: 10\noptimiser: {learning_rate: 1e-4, warm_up: 5}\n")
    config = load(path, {"steps": 20, "optimiser": {"warm_up": 6}})
    assert (config.steps, config.optimiser.learning_rate, config.optimiser.warm_up) == (20, 1e-4, 6)
    assert config.data == load().data


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("optimiser: {learning_rate: -1}", r"run\.yaml: optimiser\.learning_rate: .*greater than 0 \(got -1\)"),
        ("optimiser: {learning_rat: 0.1}", r"optimiser\.learning_rat: unknown; did you mean `learning_"),
        ("sed: 1", "sed: unknown; did you mean `seed`"),
        ("steps: many", r"steps: .*integer.* \(got 'many'\)"),
        ("states: {loss: hinge}", r"states\.loss: .*weighted.*focal"),
        ("states: {positive_limits: [3, 1]}", "states: positive_limits must be two numbers, the smaller first"),
        ("evaluation: {patience: 3}", "evaluation: patience needs evaluations: set every"),
        (
            "states: {weight: 0}\nrelevance: {weight: 0}\n"
            "actions: {frame_weight: 0, every_step_weight: 0, last_step_weight: 0}",
            "there is nothing to learn",
        ),
        ("- a list", "must be a mapping"),
        ("a: [", "line 2: not valid YAML"),
    ],
)
def test_invalid_settings_are_rejected_by_file_and_field(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(TrainingConfigError, match=named) as raised:
        load(file_of(tmp_path, text + "\n"))
    assert "run.yaml" in str(raised.value)
