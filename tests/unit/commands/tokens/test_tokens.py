"""`partstream tokens`: the file that it makes is accepted, the token is shown once, and mistakes change nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from run_stream import app
from stream.http.server.auth import Access, TokensFile
from stream.settings.tokens import load_tokens


def tokens(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command, and return its exit code, stdout and stderr."""
    done = CliRunner().invoke(app, ["tokens", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_a_new_token_is_printed_once_and_grants_what_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    code, secret, said = tokens(
        "new", "anna", "--file", file, "--right", "review", "--camera", "hall", "--camera", "door"
    )
    assert (code, len(secret.strip()) >= 43, secret.strip() in said) == (0, True, False)
    code, admins, _ = tokens(
        "new", "admin", "--file", file, "--right", "control", "--all-cameras", "--expires", "2127-01-31"
    )
    assert code == 0 and admins != secret
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret.strip() not in file.read_text()
    access = Access(file=TokensFile(file, {}))
    anna, admin = access.find(secret.strip(), 0), access.find(admins.strip(), 0)
    assert anna is not None and admin is not None
    assert (anna.name, anna.role, anna.cameras) == ("anna", "review", frozenset({"hall", "door"}))
    assert (admin.name, admin.role, admin.cameras, admin.expires_us) == (
        "admin",
        "control",
        None,
        4_957_027_200_000_000,
    )
    code, listed, _ = tokens("list", "--file", file)
    assert code == 0 and [line.split() for line in listed.splitlines()] == [
        ["anna", "review", "hall,", "door"],
        ["admin", "control", "all", "cameras", "until", "2127-01-31"],
    ]


def test_a_removed_token_is_gone_and_the_file_keeps_its_owner_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    for name in ("anna", "ben"):
        assert tokens("new", name, "--file", file, "--right", "look", "--all-cameras")[0] == 0
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 0, 12345)
    group = file.stat().st_gid
    assert tokens("remove", "anna", "--file", file)[0] == 0
    assert [token.name for token in load_tokens(file).tokens] == ["ben"]
    assert (file.stat().st_mode & 0o777, file.stat().st_gid) == (0o640, group)
    code, _, said = tokens("remove", "anna", "--file", file)
    assert (code, "has no token anna" in said) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["anna", "--right", "look", "--all-cameras"], "two have the same name anna"),
        (["read", "--right", "look", "--all-cameras"], "choose another"),
        (["ben", "--right", "look", "--camera", "Hall"], "tokens.1.cameras"),
        (["ben", "--right", "look", "--camera", "hall", "--all-cameras"], "--all-cameras"),
        (["ben", "--right", "look", "--all-cameras", "--expires", "soon"], "tokens.1.expires"),
        (["ben", "--right", "look", "--all-cameras", "--expires", "2020-01-01"], "2020-01-01 is in the past"),
    ],
)
def test_a_mistake_is_explained_and_changes_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    file = tmp_path / "tokens.yaml"
    assert tokens("new", "anna", "--file", file, "--right", "look", "--all-cameras")[0] == 0
    before = file.read_bytes()
    code, secret, said = tokens("new", *arguments, "--file", file)
    assert (code, secret, message in said.replace("\n", "")) == (2, "", True), said
    assert file.read_bytes() == before
