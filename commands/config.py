"""`partstream config`: checks a configuration, and describes what one may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.configuration import load_config
from commands.ending import console

config_app = typer.Typer(help="Check a configuration, or print its JSON Schema.", no_args_is_help=True)


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(help="The YAML file.")]) -> None:
    """Say whether a configuration is right, and print it as it is in force, without secrets."""
    settings = load_config(file, {}, [], None)
    console.print_json(settings.model_dump_json())


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration, for editors that check YAML."""
    from stream.config import Config

    console.print_json(data=Config.model_json_schema())
