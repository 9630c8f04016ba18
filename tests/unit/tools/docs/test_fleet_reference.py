from __future__ import annotations

from pathlib import Path

from fleet.settings import load
from support.repository import REPOSITORY
from tools.docs import fleet_reference


def test_the_page_is_current() -> None:
    assert fleet_reference.PAGE.read_text(encoding="utf-8") == fleet_reference.page(), (
        "run `python -m tools.docs.fleet_reference`"
    )


def test_the_example_of_the_guide_is_valid(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "fleet.md").read_text(encoding="utf-8")
    path = tmp_path / "fleet.yaml"
    path.write_text(guide.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    config = load(path)
    assert [camera.id for camera in config.cameras] == ["lobby", "dock", "gate"]
    assert config.engine_of("gpu-1")["model"] == {"profile": "edge", "device": "cuda"}
