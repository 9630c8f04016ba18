"""`partstream config check`: a file with which the engine would not start, or would show grey, is not valid."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from run_stream import app


def check(folder: Path, **settings: object) -> tuple[int, str]:
    """Run the command for this configuration, and return its exit code and what it says, on one line."""
    file = folder / "partstream.yaml"
    file.write_text(yaml.safe_dump(settings))
    done = CliRunner().invoke(app, ["config", "check", str(file)])
    return done.exit_code, " ".join(done.output.split())


def test_a_tokens_file_that_others_can_read_or_that_is_missing_is_an_error(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    http = {"tokens_file": str(tokens)}
    code, said = check(tmp_path, http=http)
    assert code == 2 and "http.tokens_file: " in said and "`partstream tokens new` makes one" in said
    tokens.write_text("tokens: []")
    tokens.chmod(0o644)
    code, said = check(tmp_path, http=http)
    assert code == 2 and "other users can read or write it" in said
    assert check(tmp_path, http={**http, "bind": None})[0] == 0, "without a server nothing reads it"
    tokens.chmod(0o600)
    assert check(tmp_path, http=http)[0] == 0


def test_a_test_pattern_that_cannot_be_drawn_is_an_error_with_its_camera(tmp_path: Path) -> None:
    code, said = check(tmp_path, cameras=[{"id": "hall", "source": "pattern:32x32"}])
    assert code == 2 and "camera hall: source: 'pattern:32x32' is not a test pattern (at least 64x64" in said
    assert check(tmp_path, cameras=[{"id": "hall", "source": "pattern:64x64@5"}])[0] == 0


def test_a_profile_without_a_checkpoint_and_a_device_that_cannot_be_are_errors(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: {}")
    code, said = check(tmp_path, model={"profile": "nope", "device": "gpu:0"}, rules_file=str(rules))
    assert code == 2 and "model.profile: nope: there is no such checkpoint; packaged: edge, " in said
    assert "model.device: 'gpu:0' is not auto, cpu, cuda or cuda:N" in said and "rules_file" not in said
    damaged = tmp_path / "own.safetensors"
    damaged.write_text("no checkpoint")
    assert (
        f"model.profile: {damaged}: not a checkpoint, or damaged" in check(tmp_path, model={"profile": str(damaged)})[1]
    )
    assert check(tmp_path, model={"profile": "free", "device": "cuda:1"})[0] == 0


def test_a_background_that_is_missing_or_not_the_approved_one_is_an_error_with_its_camera(tmp_path: Path) -> None:
    picture = tmp_path / "hall.png"

    def checked(digest: str) -> tuple[int, str]:
        background = {"file": str(picture), "sha256": digest, "approved_by": "Ann"}
        return check(tmp_path, cameras=[{"id": "hall", "source": "pattern:", "background": background}])

    code, said = checked("0" * 64)
    assert code == 2 and "camera hall: background: " in said and "No such file" in said
    Image.new("RGB", (16, 16)).save(picture)
    code, said = checked("0" * 64)
    assert code == 2 and "its SHA-256 differs" in said
    assert checked(sha256(picture.read_bytes()).hexdigest())[0] == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": {"device": "cuda:99"}}, "model.device: no such CUDA device 'cuda:99'"),
        ({"model": {"device": "cpu", "precision": "float16"}}, "model.precision: float16 needs a CUDA device"),
        ({"model": {"device": "cpu", "runtime": "onnxruntime", "precision": "bfloat16"}}, "model.precision: "),
        ({"recording": {"directory": "clips", "actions": {"fly": 0.5}}}, "recording.actions: the model has no action"),
        ({"incidents": {"directory": "kept", "actions": {"fly": 0.5}}}, "incidents.actions: the model has no action"),
        ({"publish": {"endpoint": "tcp://192.0.2.1:5555"}}, "publish.endpoint: anyone who can reach"),
        ({"publish": {"endpoint": "tcp://localhost.invalid:5555"}}, "publish.endpoint: can't listen on"),
        ({"publish": {"history_bytes": 1 << 40}}, "cameras need about"),
        ({"results": "partstream.yaml/results.jsonl"}, "results: no file can be created in"),
        ({"recording": {"directory": "partstream.yaml/clips"}}, "recording.directory: no file can be created in"),
        ({"state_file": "damaged.json"}, "state_file: damaged.json is damaged"),
    ],
)
def test_what_an_engine_refuses_at_its_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARTSTREAM_MODEL__RUNTIME", raising=False)
    (tmp_path / "damaged.json").write_text("{}")
    before = sorted(tmp_path.iterdir())
    code, said = check(tmp_path, **settings)
    assert code == 2 and said.count(expected) == 1, said
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "partstream.yaml"]), "nothing is written"
