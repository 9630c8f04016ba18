"""CURVE key files are private, never overwritten, and compatible with other readers; errors name the file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq.auth
from typer.testing import CliRunner

from run_stream import app
from stream.messaging.curve.keys import KeyFileError, KeyPair, client_keys, read_pair, read_public, read_public_keys

PAIR, OTHER = KeyPair.new(), KeyPair.new()


def keys(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["keys", *map(str, arguments)])
    return done.exit_code, done.output


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def wide_open() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("wide_open")
def test_new_makes_a_server_and_clients_whose_files_only_the_owner_may_read(tmp_path: Path) -> None:
    code, said = keys("new", tmp_path / "keys", "--client", "wall", "--client", "nas")
    assert code == 0
    files = every_file(tmp_path / "keys")
    assert set(files) == {
        "server.key_secret",
        "server.key",
        "clients/wall.key_secret",
        "clients/nas.key_secret",
        "allowed/wall.key",
        "allowed/nas.key",
    }
    for path in (tmp_path / "keys").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert read_public(tmp_path / "keys" / "server.key") in said
    for path in (tmp_path / "keys").rglob("*.key_secret"):
        assert read_pair(path).secret not in said


def test_pyzmqs_own_reader_reads_the_files_and_ours_reads_pyzmqs(tmp_path: Path) -> None:
    keys("new", tmp_path / "keys")
    for name, public in (("server.key_secret", "server.key"), ("clients/client.key_secret", "allowed/client.key")):
        ours = read_pair(tmp_path / "keys" / name)
        assert zmq.auth.load_certificate(tmp_path / "keys" / name) == (ours.public.encode(), ours.secret.encode())
        assert zmq.auth.load_certificate(tmp_path / "keys" / public) == (ours.public.encode(), None)
    before = os.umask(0o077)
    public_file, secret_file = zmq.auth.create_certificates(tmp_path, "theirs")
    os.umask(before)
    theirs = read_pair(Path(secret_file))
    assert (theirs.public.encode(), theirs.secret.encode()) == zmq.auth.load_certificate(secret_file)
    assert read_public(Path(public_file)) == theirs.public


def test_new_never_overwrites_and_adds_clients_to_an_existing_server(tmp_path: Path) -> None:
    keys("new", tmp_path, "--client", "wall")
    before = every_file(tmp_path)
    code, said = keys("new", tmp_path, "--client", "nas", "--client", "wall")
    assert (code, every_file(tmp_path)) == (2, before)
    assert "wall.key_secret exists" in said
    code, said = keys("new", tmp_path, "--client", "nas")
    after = every_file(tmp_path)
    assert code == 0
    assert read_public(tmp_path / "server.key") in said
    assert set(after) - set(before) == {"clients/nas.key_secret", "allowed/nas.key"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 64, "a\nb"])
def test_a_client_name_with_a_path_is_refused(tmp_path: Path, name: str) -> None:
    code, said = keys("new", tmp_path / "keys", "--client", name)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert "cannot be a file name" in said


def test_show_prints_the_public_key_and_nothing_else(tmp_path: Path) -> None:
    keys("new", tmp_path)
    pair = read_pair(tmp_path / "server.key_secret")
    for name in ("server.key", "server.key_secret"):
        assert keys("show", tmp_path / name) == (0, pair.public + "\n")


# -- unusable keys ---------------------------------------------------------------------------------------------------
def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a secret ZeroMQ certificate"),
        (PAIR.public_certificate(), "is not a secret ZeroMQ certificate"),
        (PAIR.secret_certificate() * 2, "is not a secret ZeroMQ certificate"),
        (PAIR.secret_certificate().replace(PAIR.secret, PAIR.secret[:-1]), "is not a secret ZeroMQ certificate"),
        (PAIR.secret_certificate().replace(PAIR.public, "#" * 40), "is not a secret ZeroMQ certificate"),
        (PAIR.secret_certificate().replace(PAIR.public, OTHER.public), "not a pair"),
        ("\0\xff" * 9, "is not a secret ZeroMQ certificate"),
    ],
    # The keys are random, and names of tests must be the same in every worker.
    ids=["empty", "public", "twice", "short secret", "no public key", "another's public key", "binary"],
)
def test_a_secret_file_without_a_pair_is_refused_without_showing_its_content(
    tmp_path: Path, text: str, says: str
) -> None:
    path = written(tmp_path / "server.key_secret", text)
    with pytest.raises(KeyFileError, match=says) as caught:
        read_pair(path)
    assert str(path) in str(caught.value)
    assert PAIR.secret[:-1] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o640])
def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "server.key_secret", PAIR.secret_certificate(), mode)
    with pytest.raises(KeyFileError, match=r"readable by others.*chmod 600"):
        read_pair(path)


def test_several_certificates_in_one_file_are_several_keys(tmp_path: Path) -> None:
    listed = written(tmp_path / "all", f"# {OTHER.public}\n" + PAIR.public_certificate() + OTHER.public_certificate())
    assert read_public_keys(listed) == {PAIR.public, OTHER.public}
    with pytest.raises(KeyFileError, match="holds 2 public keys"):
        read_public(listed)


def test_a_client_gives_the_servers_key_or_its_file_and_both_or_neither(tmp_path: Path) -> None:
    own = written(tmp_path / "own.key_secret", PAIR.secret_certificate())
    server = written(tmp_path / "server.key", OTHER.public_certificate())
    for given in (OTHER.public, str(server)):
        made = client_keys(given, own)
        assert made is not None
        assert (made.server, made.own) == (OTHER.public, PAIR)
        assert PAIR.secret not in repr(made)
    assert client_keys(None, None) is None
    for half in ((OTHER.public, None), (None, own)):
        with pytest.raises(KeyFileError, match="go together"):
            client_keys(*half)
    with pytest.raises(KeyFileError, match="can't be read"):
        client_keys(OTHER.public[:-1], own)
