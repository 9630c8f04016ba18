"""An application builds the command that is called, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from commands.application import Application


def application() -> Application:
    """Return an application with the commands `called` and `broken`, which cannot be built."""
    made = Application(name="made", no_args_is_help=True)
    within = Application(help="A group.", no_args_is_help=True)

    def called() -> None:
        print("called")

    def broken(value: Any) -> None: ...

    broken.__annotations__["value"] = "NoSuchType"
    for commands in (made, within):
        commands.command("called")(called)
        commands.command("broken")(broken)
    made.add_typer(within, name="within")
    return made


@pytest.mark.parametrize("arguments", [["called"], ["within", "called"]], ids=" ".join)
def test_a_command_that_is_not_called_is_not_built(arguments: list[str]) -> None:
    done = CliRunner().invoke(application(), arguments)
    assert (done.exit_code, done.output) == (0, "called\n")


@pytest.mark.parametrize(
    "arguments", [["broken"], ["within", "broken"], ["--help"], ["within", "--help"]], ids=" ".join
)
def test_a_command_that_is_called_or_listed_is_built(arguments: list[str]) -> None:
    assert isinstance(CliRunner().invoke(application(), arguments).exception, NameError)
