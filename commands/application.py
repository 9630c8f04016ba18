"""Application: a Typer application with plainer help. Flags and arguments are shown without a type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from commands.ending import errors

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command. Its help shows `--once`, not `--once <bool>`, and `SOURCE`, not `{SOURCE} <list[str]>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with no type to show for flags and arguments."""
        return _without_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line, with required arguments not in braces."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """A group of commands. Its help is like that of `Command`, and lists commands and groups as registered."""

    order: ClassVar[Sequence[str]] = ()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands' names in `order`; Typer's order has all groups at the end."""
        return sorted(super().list_commands(ctx), key=self.order.index)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name. Errors that a user can correct end it with a message."""
        with errors():
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with no type to show for flags and arguments."""
        return _without_types(super().get_params(ctx))


class Application(typer.Typer):
    """A Typer application made of `Command` and `Group`."""

    def __init__(self, **settings: Any) -> None:
        self._names: list[str] = []
        self._group = type("RegisteredGroup", (Group,), {"order": self._names})
        super().__init__(cls=self._group, rich_markup_mode="markdown", **settings)

    def command(self, name: str, **settings: Any) -> Callable[[Function], Function]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Register a function as a command, as `typer.Typer.command` does."""
        self._names.append(name)
        return super().command(name, cls=Command, **settings)

    def add_typer(self, application: typer.Typer, *, name: str, **settings: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Register a group of commands, as `typer.Typer.add_typer` does."""
        self._names.append(name)
        super().add_typer(application, name=name, **settings)

    def callback(self, **settings: Any) -> Callable[[Function], Function]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Register a function to run before the commands, as `typer.Typer.callback` does."""
        return super().callback(cls=self._group, **settings)


def lines(*texts: str) -> str:
    """Return an epilog with each text on a line of its own."""
    return "\n\n".join(f"- {text}" for text in texts)


def _without_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif isinstance(parameter, TyperArgument):
            parameter.display_type_rich = _no_type
    return parameters


def _no_type(ctx: Any) -> str:
    return ""
