"""The help texts of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import partstream
from run_stream import app

GROUPS = {
    "Watch": ["run", "demo", "subscribe"],
    "Keep and connect": ["archive", "notify", "fleet", "annotate", "rules", "keys", "tokens", "privacy"],
    "Set up": ["doctor", "config", "weights"],
    "Models": ["train", "data", "predict", "export"],
    "Measure": ["evaluate", "gate", "footage", "generated", "bench"],
}


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], prog_name="partstream", env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    return done.output


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


ALL = [path for path in commands(get_command(app)) if path != ("bench",)]
"""`bench` hands its arguments on."""


def test_the_commands_are_grouped_and_listed_in_the_order_of_their_use() -> None:
    panels = re.split(r"╭─ ([\w ]+?) ─+╮", shown())
    found = {title: re.findall(r"^│ (\w+)  ", text, re.MULTILINE) for title, text in zip(panels[1::2], panels[2::2])}
    assert {title: names for title, names in found.items() if title != "Options"} == GROUPS


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_help_of_a_command_is_complete_and_names_no_type_beside_a_flag(path: tuple[str, ...]) -> None:
    text = shown(*path)
    assert "<bool>" not in text
    assert "run_stream" not in text
    assert "Usage: " + " ".join(("partstream", *path)) in text


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"partstream {partstream.__version__}\n"


def test_exit_codes_are_in_the_help() -> None:
    assert "4 no source opened" in shown()
    assert "Exit code 4" in shown("run")
