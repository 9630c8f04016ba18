"""Application: a Typer application whose help names no type beside a flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command. Its help shows `--once`, not `--once <bool>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with no type to show for flags."""
        return _without_types_of_flags(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands. Its help shows flags as `Command` does."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with no type to show for flags."""
        return _without_types_of_flags(super().get_params(ctx))


class Application(typer.Typer):
    """A Typer application made of `Command` and `Group`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, rich_markup_mode="markdown", **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Register a function as a command, as `typer.Typer.command` does."""
        return super().command(name, cls=Command, **settings)

    def callback(self, **settings: Any) -> Callable[[Function], Function]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Register a function to run before the commands, as `typer.Typer.callback` does."""
        return super().callback(cls=Group, **settings)


def _without_types_of_flags(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
