"""Two engines on one machine do not share what only one of them may write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from stream.settings.config_error import ConfigError
from support.engines.controlled_engine import PATTERN, configured

SHARED: list[tuple[str, dict[str, Any]]] = [
    ("state_file", {"state_file": "FOLDER/cameras.json"}),
    ("results", {"results": "FOLDER/results.jsonl"}),
    ("alerts_file", {"alerts_file": "FOLDER/alerts.jsonl"}),
    ("recording.directory", {"recording": {"directory": "FOLDER"}}),
    ("incidents.directory", {"incidents": {"directory": "FOLDER"}}),
    ("verdicts.directory", {"verdicts": {"directory": "FOLDER"}, "incidents": {"directory": "OWN"}}),
]


def configuration(settings: dict[str, Any], shared: Path, own: Path) -> Config:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(one) for name, one in value.items()}
        return value.replace("FOLDER", str(shared)).replace("OWN", str(own))

    return configured({"id": "a", "source": PATTERN}, http={"bind": None}, **filled(settings))


@pytest.mark.parametrize(("setting", "settings"), SHARED, ids=[name for name, _ in SHARED])
async def test_a_second_engine_is_refused_with_the_first_ones_process(
    tmp_path: Path, setting: str, settings: dict[str, Any]
) -> None:
    shared = tmp_path / "shared"
    (tmp_path / "link").symlink_to(shared)
    async with Engine(configuration(settings, shared, tmp_path / "first"), model=FreeModel()):
        second = Engine(configuration(settings, tmp_path / "link", tmp_path / "second"), model=FreeModel())
        with pytest.raises(
            ConfigError, match=rf"^{setting}: .* in use by .*process {os.getpid()}\b.*(set|choose) another"
        ):
            await second.start()
        await second.stop()
    async with Engine(configuration(settings, shared, tmp_path / "second"), model=FreeModel()):
        pass
