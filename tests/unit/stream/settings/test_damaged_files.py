"""Whatever a settings file holds, it is read or refused with one typed error that names it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fleet.settings
import stream.config
from stream.notify import notify_config
from stream.rules_file import load_rules
from stream.settings.config_error import ConfigError
from stream.settings.tokens import load_tokens
from support.damage import CHANCES, damaged
from support.examples import examples
from support.repository import REPOSITORY

READERS: dict[str, Callable[[Path], Any]] = {
    "engine": stream.config.load,
    "fleet": fleet.settings.load,
    "notify": notify_config.load,
    "rules": load_rules,
    "tokens": load_tokens,
}
SEEDS = REPOSITORY / "tests" / "data" / "settings"
SOUND = {name: (SEEDS / f"{name}.yaml").read_bytes() for name in READERS if name != "rules"}
SOUND["rules"] = (REPOSITORY / "examples" / "rules.yaml").read_bytes()
TEXTS = (
    "&a [*a]",
    "&a {x: *a}",
    "2026-02-30",
    "!!binary x",
    "!!set {a}",
    "!!omap [a: 1]",
    "<<: 1",
    "- 1",
    "? [a]\n: b",
)


def read_or_refuse(folder: Path, name: str, content: bytes) -> None:
    path = folder / f"{name}.yaml"
    path.write_bytes(content)
    path.chmod(0o600)
    try:
        READERS[name](path)
    except ConfigError as error:
        assert str(path) in str(error) and len(str(error)) < 50_000


def encoded(content: Any) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=CHANCES)
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, name: str, chance: random.Random) -> None:
    read_or_refuse(tmp_path, name, damaged(chance, yaml.safe_load(SOUND[name]), encoded))


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=CHANCES, text=st.sampled_from(TEXTS))
def test_yaml_that_few_know_is_read_or_refused(tmp_path: Path, name: str, chance: random.Random, text: str) -> None:
    content = yaml.safe_load(SOUND[name])
    key = chance.choice(list(content))
    rest = encoded({other: value for other, value in content.items() if other != key}).decode()
    read_or_refuse(tmp_path, name, f"{rest}{key}: {text}\n".encode())


def test_the_seeds_are_sound(tmp_path: Path) -> None:
    for name, content in SOUND.items():
        path = tmp_path / f"{name}.yaml"
        path.write_bytes(content)
        path.chmod(0o600)
        READERS[name](path)
