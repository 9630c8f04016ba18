"""What the commands say about the terms of weights."""

from __future__ import annotations

import logging

import pytest
from typer.testing import CliRunner

from commands.run import run_engine
from run_stream import app
from stages.packaged_checkpoints import FOLDER, PACKAGED, summary
from stream.config import Config
from stream.engine import Engine
from support.repository import REPOSITORY


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, [*words], prog_name="partstream", env={"COLUMNS": "900"})
    assert done.exit_code == 0, done.output
    return done.output


def test_weights_list_names_the_terms_of_each_profile() -> None:
    text = shown("weights", "list")
    for profile in PACKAGED:
        assert summary(profile).sha256[7:15] in text and summary(profile).terms.use in text
        assert f"{profile} learned from: generated motion" in text


def test_training_into_the_folder_of_the_packaged_checkpoints_is_refused() -> None:
    out = REPOSITORY / "stages" / FOLDER / "edge.safetensors"
    before = out.stat()
    done = CliRunner().invoke(app, ["train", "--steps", "1", "--out", str(out)], env={"COLUMNS": "900"})
    assert done.exit_code == 2 and "folder of the packaged checkpoints" in done.output.replace("\n", " ")
    assert out.stat() == before


@pytest.mark.parametrize("profile", ["edge", "edge-open"])
def test_the_first_line_of_the_log_names_profile_weights_and_terms(
    profile: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(self: Engine) -> None:
        raise RuntimeError("the engine starts here")

    monkeypatch.setattr(Engine, "start", start)
    settings = Config.model_validate(
        {"cameras": [{"id": "a", "source": "test:"}], "http": {"bind": None}, "model": {"profile": profile}}
    )
    with caplog.at_level(logging.INFO), pytest.raises(RuntimeError, match="starts here"):
        run_engine(settings)
    first = caplog.records[0].getMessage()
    assert first == str(summary(profile)) and first.startswith(f"profile {profile}, weights sha256:")
    assert f"terms: {summary(profile).terms.use}" in first
