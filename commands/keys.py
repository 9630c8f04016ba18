"""`partstream keys`: make the CURVE keys of an engine and its clients, and show public keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.application import Application, lines

if TYPE_CHECKING:
    from stream.messaging.curve.keys import KeyPair

keys_app = Application(help="Make keys that encrypt results and decide who may read them.", no_args_is_help=True)

CLIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@keys_app.command("new", epilog=lines("`partstream keys new keys --client wall --client archive`"))
def new_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Directory for the keys.")] = Path("keys"),
    client: Annotated[
        list[str] | None,
        typer.Option(
            "--client", metavar="NAME", help="A client; can be repeated.", show_default="client, for a new DIR"
        ),
    ] = None,
) -> None:
    """Make a key pair for each client, and one for the engine if DIR has none. No file is overwritten."""
    names = client or ([] if any((folder / "allowed").glob("*.key")) else ["client"])
    public = make_keys(folder, names)
    typer.echo(f"The engine's public key: {public}\n")
    typer.echo(
        "In the engine's configuration:\n\n"
        "publish:\n"
        f"  curve_secret_key_file: {(folder / 'server.key_secret').absolute()}\n"
        f"  curve_allowed_keys: {(folder / 'allowed').absolute()}\n\n"
        "Send each client its own secret file and server.key over a secure channel, then delete the secret file here.\n"
    )
    for name in names:
        typer.echo(
            f"  partstream subscribe tcp://ENGINE:5555 --server-key {folder / 'server.key'} "
            f"--key-file {folder / 'clients' / f'{name}.key_secret'}"
        )


@keys_app.command("show")
def show_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate: *.key or *.key_secret.")],
) -> None:
    """Print the public key in a file."""
    from stream.messaging.curve.keys import read_public

    typer.echo(read_public(file))


def make_keys(folder: Path, clients: Sequence[str]) -> str:
    """Write `server.key_secret`, `server.key`, and for each client `clients/NAME.key_secret` and `allowed/NAME.key`.

    An existing server pair is kept. Return the server's public key. Raises `KeyFileError`, before anything is written,
    if a client has a file already, if its name cannot be a file name, or if there is nothing to make.
    """
    from stream.messaging.curve.keys import KeyFileError, KeyPair, read_pair

    secret_file, public_file = folder / "server.key_secret", folder / "server.key"
    if not clients and secret_file.exists():
        raise KeyFileError(f"{folder} has keys of the engine and of clients already: add a client with --client NAME")
    for name in clients:
        if not CLIENT_NAME.fullmatch(name):
            raise KeyFileError(f"client {name!r} cannot be a file name: use letters, digits, `_`, `.` and `-`")
        for path in _client_files(folder, name):
            if path.exists():
                raise KeyFileError(f"{path} exists and is not overwritten: choose another name, or remove it")
    for place in (folder, folder / "clients", folder / "allowed"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if secret_file.exists():
        server = read_pair(secret_file)
        if not public_file.exists():
            _create(public_file, server.public_certificate())
    else:
        server = KeyPair.new()
        _write_pair(server, secret_file, public_file)
    for name in dict.fromkeys(clients):
        _write_pair(KeyPair.new(), *_client_files(folder, name))
    return server.public


def _client_files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / "clients" / f"{name}.key_secret", folder / "allowed" / f"{name}.key"


def _write_pair(pair: KeyPair, secret_file: Path, public_file: Path) -> None:
    """Write both files, the public one last: a key is allowed only when its pair is complete."""
    _create(secret_file, pair.secret_certificate())
    _create(public_file, pair.public_certificate())


def _create(path: Path, text: str) -> None:
    from stream.messaging.curve.keys import KeyFileError
    from stream.settings import files

    try:
        files.create(path, text)
    except FileExistsError:
        raise KeyFileError(f"{path} exists and is not overwritten") from None
