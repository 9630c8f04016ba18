"""The doctor's self-test with a real engine, and its recognition of an engine that already runs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from commands.doctor import examination, ports, self_test
from commands.doctor.command import doctor_command
from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.third_party.weights import WeightsError
from stages.types import FrameAnalysis, ModelInfo
from stream import engine
from stream.config import Config
from stream.settings.network import HttpConfig
from support.engines.controlled_engine import configured, running
from support.engines.small_clips import make_clip
from telemetry import logs

FREE = Config.model_validate({"model": {"profile": "free"}})


class Failing(FreeModel):
    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        raise RuntimeError("no convolution today")


class DetectsNoOne(FreeModel):
    """Claims to be trained, and detects no people."""

    def __init__(self) -> None:
        super().__init__()
        self.info = ModelInfo("edge", "", True)


class NoNumbers(FreeModel):
    """Its weights give NaN."""

    def warm_up(self) -> None:
        raise WeightsError("its scores are NaN or infinite: use another checkpoint")


@pytest.fixture
def footage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip(tmp_path / "street.mp4", frames=50)
    monkeypatch.setattr(self_test, "_footage", lambda: clip)


def test_a_working_engine_is_ok_and_its_rate_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "_footage", lambda: None)
    found = self_test.run(FREE, 0.2)
    assert found.level == "ok"
    assert "frames analysed" in found.seen
    assert "test picture" in found.seen


def test_weights_whose_scores_are_no_numbers_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "load_model", lambda config, observer: NoNumbers())
    found = self_test.run(FREE, 0.2)
    assert (found.level, found.seen) == (
        "fault",
        "the engine cannot start: its scores are NaN or infinite: use another checkpoint",
    )


@pytest.mark.usefixtures("footage")
def test_a_failing_stage_is_a_fault_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "load_model", lambda config, observer: Failing())
    monkeypatch.setattr(self_test, "FIRST_RESULT_WITHIN_S", 5.0)
    found = self_test.run(FREE, 0.1)
    assert found.level == "fault"
    assert f"stages failed: pipeline (RuntimeError in {__name__}, line " in found.seen
    assert "convolution" not in found.seen, "a message may quote a secret"


@pytest.mark.usefixtures("footage")
def test_findings_are_not_buried_under_tracebacks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "load_model", lambda config, observer: Failing())
    monkeypatch.setattr(self_test, "FIRST_RESULT_WITHIN_S", 5.0)
    (config := tmp_path / "c.yaml").write_text(
        "{publish: {endpoint: 'tcp://127.0.0.1:0', replay: 'tcp://127.0.0.1:0'}, http: {bind: null}}"
    )
    monkeypatch.setattr(examination, "examine", lambda config, wanted: [self_test.run(config, 0.1)])
    level, configure, outputs = logging.getLogger().level, logs.configure, list[logs.LogOutput]()
    monkeypatch.setattr(logs, "configure", lambda **settings: outputs.append(configure(**settings)) or outputs[0])
    try:
        with pytest.raises(typer.Exit):
            doctor_command(None, config, "free")
    finally:
        for output in outputs:
            output.close()
        logging.getLogger().setLevel(level)
    shown = capfd.readouterr()
    assert "stages failed: pipeline" in shown.out
    assert "Traceback" not in shown.out + shown.err


@pytest.mark.usefixtures("footage")
def test_a_model_that_detects_no_people_in_footage_of_people_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "load_model", lambda config, observer: DetectsNoOne())
    found = self_test.run(FREE, 0.2)
    assert found.level == "fault"
    assert "no people found" in found.seen


def test_a_model_that_cannot_be_loaded_is_a_fault_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(config: object, observer: object) -> FreeModel:
        raise WeightsError("movenet is not in the cache.\nRun `partstream weights fetch`")

    monkeypatch.setattr(engine, "load_model", load)
    found = self_test.run(FREE, 0.1)
    assert (found.level, found.remedy) == ("fault", "Run `partstream weights fetch`")
    assert "not in the cache" in found.seen


async def test_a_running_engine_is_recognised_and_its_ports_are_no_fault() -> None:
    async with running(configured()) as (here, client):
        bind = client.address.removeprefix("http://")
        found = await asyncio.to_thread(ports.engine_at, HttpConfig(bind=bind))
        assert found is not None
        assert found.pid == os.getpid()
        publish = here.config.publish
        zeromq = await asyncio.to_thread(ports.zeromq, "publish.endpoint", here.publisher.endpoint, publish, found)
        http = await asyncio.to_thread(ports.http_server, HttpConfig(bind=bind), found)
    assert [zeromq.level, http.level] == ["warning", "warning"]
