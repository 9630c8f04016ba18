"""The tokens file: what it may contain, and when it is read again."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from stream.http.server.access_control import tokens as tokens_module
from stream.http.server.access_control.access import Access
from stream.http.server.access_control.tokens import TokensFile, digest_of, find
from stream.settings.access.tokens import load_tokens
from stream.settings.config_error import ConfigError
from support.counted_calls import calls_during
from support.listed_tokens import listed, secret_of, write_tokens

IN_2027_US = 1_798_761_600_000_000


def test_a_token_has_the_role_and_the_cameras_that_the_file_gives_it(tmp_path: Path) -> None:
    file = TokensFile(
        write_tokens(
            tmp_path / "tokens.yaml",
            listed("anna", "review", ["hall", "door"]),
            listed("admin", "control", expires="2027-01-01"),
        ),
        {},
    )
    anna = find(file.grants, secret_of("anna"), 0)
    assert anna is not None
    assert (anna.name, anna.role, anna.cameras) == ("anna", "review", frozenset({"hall", "door"}))
    admin = find(file.grants, secret_of("admin"), IN_2027_US - 1)
    assert admin is not None and (admin.role, admin.cameras) == ("control", None)
    assert find(file.grants, secret_of("admin"), IN_2027_US) is None
    assert find(file.grants, "another", 0) is None
    assert digest_of(secret_of("anna")).hex() not in repr(file.grants)


@pytest.mark.parametrize(
    "written",
    [
        "2027-01-01",
        "2027-01-01T00:00:00Z",
        '"2027-01-01 01:00:00+01:00"',
        "2027-1-1",
        "2027-01-01 0:00:00",
        "2027-01-01 2:30:00.0 +2:30",
        "2026-12-31t14:00:00 -10",
    ],
)
def test_a_date_is_its_beginning_in_utc(tmp_path: Path, written: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens: [{{name: a, sha256: '{'0' * 64}', right: look, cameras: all, expires: {written}}}]")
    path.chmod(0o600)
    assert load_tokens(path).tokens[0].expires_us == IN_2027_US


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([listed("a", "rule")], r"tokens\.0\.right: must be 'look', 'review' or 'control'"),
        ([listed("a", cameras=[])], r"tokens\.0\.cameras"),
        ([listed("a", cameras="hall")], r"tokens\.0\.cameras"),
        ([listed("a", cameras=["Hall"])], r"tokens\.0\.cameras"),
        ([listed("control")], r"control is the name of a caller that is not in this file"),
        ([listed("a b")], r"tokens\.0\.name"),
        ([listed("a", expires="soon")], r"tokens\.0\.expires: 'soon' is not a date or time"),
        ([listed("a", expires="2027-13-1 9:00:00")], r"tokens\.0\.expires: '2027-13-1 9:00:00' is not a date or time"),
        ([listed("a", expire="2027-01-01")], r"did you mean `expires`"),
        ([listed("a"), listed("b") | {"name": "a"}], r"two have the same name a"),
        ([listed("a"), listed("a") | {"name": "b"}], r"two have the same sha256"),
        ([{"name": "a", "sha256": "0" * 64}], r"tokens\.0\.right: .*tokens\.0\.cameras"),
        ([listed("a") | {"sha256": "secret"}], r"tokens\.0\.sha256"),
    ],
)
def test_a_mistake_is_named_by_its_field_and_no_digest_is_shown(
    tmp_path: Path, tokens: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        TokensFile(write_tokens(tmp_path / "tokens.yaml", *tokens), {})
    assert str(caught.value).startswith("http.tokens_file: ")
    assert digest_of(secret_of("a")).hex() not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("a"))
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        TokensFile(path, {})


@pytest.mark.parametrize("mode", [0o600, 0o604])
def test_a_file_of_root_is_given_to_the_group_of_the_engine_and_not_closed_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("a"))
    status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 0, 0, 1, 0, 0, 0))
    refuse = mock.Mock(side_effect=PermissionError(errno.EACCES, "Permission denied"))
    monkeypatch.setattr(Path, "stat", lambda self: status)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.getegid", lambda: 1_000_000_123)
    with pytest.raises(ConfigError, match=f"as root, `chgrp 1000000123 {path}` and `chmod 640 {path}`"):
        load_tokens(path)


def test_a_token_that_was_found_is_found_again_until_it_expires_or_the_file_changes(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna", expires="2027-01-01"), listed("ben"))
    file = TokensFile(path, {})
    access = Access(False, (), file)
    anna = access.find(secret_of("anna"), 0)
    assert anna is not None and access.find(secret_of("anna"), 0) is anna
    assert access.is_current(anna, 0) and not access.is_current(anna, IN_2027_US)
    assert access.find(secret_of("anna"), IN_2027_US) is None and access.find("none", 0) is None
    write_tokens(path, listed("anna", "control"))
    for _ in range(2):
        asyncio.run(file.look())
    changed = access.find(secret_of("anna"), 0)
    assert changed is not None and changed.role == "control"
    assert access.find(secret_of("ben"), 0) is None
    assert access.is_current(changed, 0) and not access.is_current(anna, 0)
    file.close()


def test_looking_whether_sessions_are_current_compares_each_with_one_token(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(200)]
    file = TokensFile(write_tokens(tmp_path / "tokens.yaml", *map(listed, names)), {})
    access, grants = Access(False, (), file), [replace(grant) for grant in file.grants]
    assert calls_during(lambda: [access.is_current(grant, 0) for grant in grants]) < 20 * len(names)


def test_a_file_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "missing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match=r"http\.tokens_file: .*(can't be read|is not a file)"):
            TokensFile(path, {})


def test_a_token_of_the_configuration_may_not_be_listed_with_another_right(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna", "control"))
    with pytest.raises(ConfigError, match=r"token anna is the same as http\.read_token"):
        TokensFile(path, {digest_of(secret_of("anna")): "http.read_token"})


async def test_a_change_applies_once_the_file_is_the_same_twice(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    file = TokensFile(path, {})
    write_tokens(path, listed("ben"))
    await file.look()
    assert [grant.name for grant in file.grants] == ["anna"]
    await file.look()
    assert [grant.name for grant in file.grants] == ["ben"]


async def test_a_file_that_becomes_invalid_or_disappears_leaves_the_tokens_and_says_so(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    file = TokensFile(path, {})
    for spoil in (lambda: path.write_text("tokens: {"), lambda: path.unlink()):
        spoil()
        for _ in range(3):
            await file.look()
        assert file.error is not None
        assert [grant.name for grant in file.grants] == ["anna"]
    write_tokens(path)
    for _ in range(2):
        await file.look()
    assert (file.error, file.grants) == (None, ())


async def test_a_file_that_cannot_be_read_for_a_moment_is_read_again_and_the_error_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    file = TokensFile(path, {})

    def fail(path: Path) -> Any:
        raise ConfigError(f"{path}: can't be read: Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(tokens_module, "load_tokens", fail)
        write_tokens(path)
        for _ in range(4):
            await file.look()
    assert file.error is not None and caplog.text.count("Input/output error") == 1
    await file.look()
    assert (file.error, file.grants) == (None, ())


async def test_a_change_applies_while_all_of_asyncio_s_threads_are_busy(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    file = TokensFile(path, {})
    free, threads = threading.Event(), ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(threads)
    busy = asyncio.ensure_future(asyncio.to_thread(free.wait))
    write_tokens(path)
    for _ in range(2):
        await file.look()
    assert file.grants == () and not busy.done()
    free.set()
    await busy
    file.close()
