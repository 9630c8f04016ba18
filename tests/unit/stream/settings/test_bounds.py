"""Numbers in settings: each has bounds, and an engine can be built with every number within them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from commands.config import checks
from fleet.settings import FleetConfig
from stages.free_model import FreeModel
from stages.settings import PipelineSettings
from stages.settings_file import error_text
from stream.config import Config
from stream.engine import Engine
from stream.notify.notify_config import NotifyConfig
from stream.settings.rules import RulesConfig
from stream.settings.tokens import TokensConfig
from support.examples import examples
from support.models.bright_people import bright_pipeline, drawn_frames
from support.numeric_settings import NOT_NUMBERS, Number, nested, numbers
from training.settings.run_config import TrainingConfig

ALL_SETTINGS = (Config, FleetConfig, NotifyConfig, RulesConfig, TokensConfig, TrainingConfig)
MODEL_SECTIONS = ("model", "window", "tracking")
BUILT = [
    number
    for number in numbers(Config)
    if number.path[0] != "fleet" and not {"0", "*"} & {*number.path[2 if number.path[0] == "cameras" else 0 :]}
]
"""Of the sections, and of a camera."""


def content(*chosen: tuple[Number, Any]) -> dict[str, Any]:
    """Return a configuration with these values, with which an engine can be started beside others."""
    given = nested(chosen)
    camera = given.pop("cameras", {}).get("0", {})
    base: dict[str, Any] = {
        "cameras": [{"id": "hall", "source": "pattern:64x64@5", **camera}],
        "model": {"profile": "free"},
        "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
        "http": {"bind": "127.0.0.1:0"},
    }
    return base | {name: base.get(name, {}) | section for name, section in given.items()}


def accepted(*chosen: tuple[Number, Any]) -> Config | None:
    """Return the configuration with these values if `partstream config check` accepts it."""
    try:
        config = Config.model_validate(content(*chosen))
    except ValidationError as error:
        assert error_text(error, Config, command="partstream config schema", show_values=True)
        return None
    return None if checks.problems(config) else config


def build(config: Config) -> None:
    """Build what `partstream run` builds of these settings, and analyse two frames."""
    parts = {name: getattr(config, name) for name in MODEL_SECTIONS}
    if parts != {name: getattr(PipelineSettings(), name) for name in MODEL_SECTIONS}:
        pipeline, _ = bright_pipeline(PipelineSettings.model_validate(parts))
        for frame in drawn_frames(pipeline, [[(100, 100, 160, 300)]] * 2):
            pipeline.process([frame])

    async def start() -> None:
        async with Engine(config, model=FreeModel()):
            pass

    asyncio.run(start())


@pytest.mark.parametrize("schema", ALL_SETTINGS)
def test_every_number_has_a_smallest_and_a_largest_value(schema: type[BaseModel]) -> None:
    unbounded = [".".join(number.path) for number in numbers(schema) if not number.is_bounded]
    assert not unbounded


@pytest.mark.parametrize("bound", ["smallest", "largest"])
@pytest.mark.parametrize("section", sorted({number.path[0] for number in BUILT}))
def test_an_engine_is_built_with_the_bounds_of_all_numbers_of_a_section(section: str, bound: str) -> None:
    of_section = [number for number in BUILT if number.path[0] == section]
    chosen = [(number, number.within[0 if bound == "smallest" else 1]) for number in of_section]
    assert Config.model_validate(content(*chosen))
    if (config := accepted(*chosen)) is not None:
        build(config)


@pytest.mark.parametrize("number", BUILT, ids=lambda number: ".".join(number.path))
def test_a_value_beyond_the_bounds_of_a_number_is_refused(number: Number) -> None:
    for value in number.beyond:
        with pytest.raises(ValidationError):
            Config.model_validate(content((number, value)))


@settings(max_examples=examples(10), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(BUILT), st.integers(0, 30)), max_size=5, unique_by=lambda one: one[0].path))
def test_what_the_check_accepts_is_built_without_an_exception(chosen: list[tuple[Number, int]]) -> None:
    values = [
        (number, (offered := [*number.within, *number.beyond, *NOT_NUMBERS])[index % len(offered)])
        for number, index in chosen
    ]
    if (config := accepted(*values)) is not None:
        build(config)
