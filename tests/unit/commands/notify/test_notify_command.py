from __future__ import annotations

import json
import socket
from pathlib import Path

from typer.testing import CliRunner

from run_stream import app
from stream.notify.ledger import Delivery, Ledger


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["notify", *arguments], env={"COLUMNS": "200"})
    return done.exit_code, done.output + done.stderr


def configured(folder: Path) -> str:
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": [str(folder / "secret")]}
    path = folder / "notify.yaml"
    path.write_text(json.dumps({"ledger": str(folder / "notify.db"), "targets": {"hook": hook}}))
    return str(path)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    code, text = run("--config", str(tmp_path / "none.yaml"))
    assert code == 2 and "none.yaml: can't be read" in text
    config = configured(tmp_path)
    code, text = run("list", "--config", config)
    assert code == 2 and "there is no ledger" in text
    code, text = run("test", "hook", "--config", config)
    assert code == 2 and "there is no ledger" in text and not (tmp_path / "notify.db").exists()
    for arguments in [("test", "other"), ("list", "--target", "other"), ("retry", "--target", "other")]:
        code, text = run(*arguments, "--config", config)
        assert code == 2 and "has no target other; it has hook" in text
    code, text = run("--config", config)
    assert code == 2 and f"{config}: targets.hook.secret_files: {tmp_path}/secret: can't be read" in text
    (tmp_path / "secret").write_text("whsec_?")
    code, text = run("--config", config)
    assert code == 2 and "is not a secret of the form whsec_" in text and "?" not in text
    (tmp_path / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    settings = json.loads(Path(config).read_text())
    Path(config).write_text(json.dumps(settings | {"metrics": None, "engine": {"endpoint": "nonsense"}}))
    code, text = run("--config", config)
    assert code == 2 and "nonsense" in text
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Path(config).write_text(json.dumps(settings | {"metrics": f"127.0.0.1:{taken.getsockname()[1]}"}))
        code, text = run("--config", config)
    assert code == 2 and "metrics: 127.0.0.1" in text and "can't be bound" in text


def test_a_test_message_is_queued_and_listed_and_only_what_was_given_up_is_retried(tmp_path: Path) -> None:
    config = configured(tmp_path)
    running = Ledger(tmp_path / "notify.db")
    code, text = run("test", "hook", "--config", config)
    assert code == 0 and "queued; the running" in text
    running.close()
    code, text = run("list", "--config", config)
    assert code == 0 and "pending" in text and "test" in text
    assert run("retry", "1", "--config", config)[0] == 1
    assert run("retry", "--config", config)[0] == 2
    ledger = Ledger(tmp_path / "notify.db", locked=False)
    ledger.plan(Delivery("a\x1b[31m", "hook", "began", b"{}", "door", "a"), 1)
    ledger.tried(2, "given_up", 2, "answered 410")
    ledger.close()
    code, text = run("list", "--config", config, "--state", "given_up")
    assert code == 0 and "answered 410" in text and "\x1b[31m" not in text
    code, text = run("list", "--config", config, "--json", "--target", "hook")
    assert [json.loads(line)["state"] for line in text.splitlines()] == ["pending", "given_up"]
    assert run("retry", "--target", "hook", "--config", config) == (0, "1 message will be sent\n")


def test_a_configuration_before_the_name_of_a_command_counts_unless_one_follows(tmp_path: Path) -> None:
    config = configured(tmp_path)
    Ledger(tmp_path / "notify.db").close()
    for command in [("list",), ("test", "hook"), ("retry", "--target", "hook")]:
        assert "no ledger" not in run("--config", config, *command)[1]
        assert "none.yaml: can't be read" in run("--config", str(tmp_path / "none.yaml"), *command)[1]
    assert run("--config", str(tmp_path / "none.yaml"), "list", "--config", config)[0] == 0


def test_events_are_listed_only_on_request(tmp_path: Path) -> None:
    config = configured(tmp_path)
    ledger = Ledger(tmp_path / "notify.db")
    for kind in ("began", "event", "clip"):
        ledger.plan(Delivery(kind, "hook", kind, b"{}", "door"), 1)
    ledger.close()
    assert [json.loads(line)["kind"] for line in run("list", "--config", config, "--json")[1].splitlines()] == ["began"]
    code, text = run("list", "--config", config, "--events")
    assert code == 0 and all(kind in text for kind in ("began", "event", "clip"))
