"""`partstream tokens`: make, list and remove the tokens in a tokens file."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.application import Application, lines
from commands.ending import EXIT_USAGE, fail

if TYPE_CHECKING:
    from stream.settings.tokens import TokenConfig, TokensConfig

tokens_app = Application(help="Manage tokens for access over HTTP.", no_args_is_help=True)

HEADER = "# Tokens of partstream's HTTP server, by their SHA-256. `partstream tokens` rewrites this file.\n"
Right = Literal["look", "review", "control"]
File = Annotated[Path, typer.Option("--file", metavar="FILE", help="The tokens file: `http.tokens_file`.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")]


@tokens_app.command(
    "new",
    epilog=lines(
        "`partstream tokens new anna --file tokens.yaml --right review --camera hall --camera door`",
        "`partstream tokens new admin --file tokens.yaml --right control --all-cameras --expires 2027-01-31`",
    ),
)
def new_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the person or program that uses it.")],
    file: File,
    right: Annotated[
        Right,
        typer.Option(
            help="`look` reads; `review` also acknowledges alerts and gives verdicts; `control` also changes cameras.",
            show_default=False,
        ),
    ],
    camera: Annotated[
        list[str] | None, typer.Option("--camera", metavar="ID", help="A camera that it may access; can be repeated.")
    ] = None,
    all_cameras: Annotated[
        bool, typer.Option("--all-cameras", help="It may access all cameras, also new ones.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option(metavar="DATE", help="Date or time at which it expires, in UTC.", show_default="never")
    ] = None,
) -> None:
    """Add a token to the file, which is created if it does not exist, and print it. Only its SHA-256 is stored."""
    if all_cameras == bool(camera):
        fail("give --camera for each camera that the token is for, or --all-cameras", EXIT_USAGE)
    if expires is not None and _is_past(expires):
        fail(f"--expires {expires} is in the past; dates and times are in UTC", EXIT_USAGE)
    secret = secrets.token_urlsafe(32)
    token = {
        "name": name,
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "right": right,
        "cameras": "all" if all_cameras else camera,
        "expires": expires,
    }

    with _edited(file, make=True) as tokens:
        tokens.append({key: value for key, value in token.items() if value is not None})
    typer.echo(f"Give this token to {name} over a secure channel; it is not shown again:", err=True)
    typer.echo(secret)


@tokens_app.command("list")
def list_command(file: File) -> None:
    """List the tokens in the file: name, right, cameras and when they expire."""
    tokens = _read(file).tokens
    for token in tokens:
        typer.echo(_described(token, time.time_ns() // 1000))
    if not tokens:
        typer.echo(f"{file} has no tokens", err=True)


@tokens_app.command("remove")
def remove_command(name: Name, file: File) -> None:
    """Remove a token from the file. A running engine ends its sessions and streams within two seconds."""
    from stream.settings.config_error import ConfigError

    with _edited(file, make=False) as tokens:
        left = [token for token in tokens if token["name"] != name]
        if len(left) == len(tokens):
            raise ConfigError(f"{file} has no token {name}: `partstream tokens list` lists them")
        tokens[:] = left


def _is_past(text: str) -> bool:
    """Return whether this is a date or time that is not after now."""
    from stream.settings.tokens import parsed_us

    try:
        return parsed_us(text) <= time.time_ns() // 1000
    except ValueError:  # the check of the whole file says it
        return False


@contextmanager
def _edited(path: Path, *, make: bool) -> Generator[list[dict[str, object]]]:
    """Yield the tokens as the file has them, and write them back, unless an error is raised.

    The file's owner, group and mode stay. Raises `ConfigError` if the file or the result is invalid.
    """
    import yaml
    from pydantic import ValidationError

    from stages.settings_file import error_text
    from stream.settings import files
    from stream.settings.config_error import ConfigError
    from stream.settings.tokens import TokensConfig

    try:
        before = path.stat() if path.exists() else None
        config = TokensConfig() if before is None and make else _read(path)
        tokens = [token.model_dump(mode="json", exclude_none=True) for token in config.tokens]
        yield tokens
        try:
            TokensConfig.model_validate({"tokens": tokens})
        except ValidationError as error:
            text = error_text(error, TokensConfig, command="partstream tokens new --help")
            raise ConfigError(f"{path} is not changed: {text}") from None
        files.replace(path, HEADER + yaml.safe_dump({"tokens": tokens}, sort_keys=False))
        if before is not None:
            os.chown(path, before.st_uid, before.st_gid)
            path.chmod(before.st_mode & 0o777)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path) -> TokensConfig:
    from stream.settings.tokens import load_tokens

    return load_tokens(path)


def _described(token: TokenConfig, at_us: int) -> str:
    cameras: str | Sequence[str] = token.cameras
    where = "all cameras" if isinstance(cameras, str) else ", ".join(cameras)
    expires_us = token.expires_us
    words = "" if expires_us is None else f"  {'expired' if expires_us <= at_us else 'until'} {token.expires}"
    return f"{token.name:<20}  {token.right:<7}  {where}{words}"
