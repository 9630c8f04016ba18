from __future__ import annotations

from pathlib import Path

from commands.configuration import configuration
from commands.fleet import check_ports
from fleet.settings import load
from stream.sources.addresses import parse_pattern
from support.repository import REPOSITORY
from tools.docs import fleet_reference


def test_the_page_is_current() -> None:
    assert fleet_reference.PAGE.read_text(encoding="utf-8") == fleet_reference.page(), (
        "run `python -m tools.docs.fleet_reference`"
    )


def example(name: str, folder: Path) -> Path:
    """Write the file that the guide shows under this name."""
    guide = (REPOSITORY / "docs" / "fleet.md").read_text(encoding="utf-8")
    path = folder / name
    path.write_text(guide.partition(f"```yaml\n# {name}")[2].partition("\n")[2].partition("```")[0], encoding="utf-8")
    return path


def test_the_example_of_the_guide_is_valid(tmp_path: Path) -> None:
    config = load(example("fleet.yaml", tmp_path))
    assert [camera.id for camera in config.cameras] == ["lobby", "dock", "gate"]
    assert config.engine_of("gpu-1")["model"] == {"profile": "edge", "device": "cuda"}


def test_the_engines_of_the_example_of_one_machine_have_ports_of_their_own(tmp_path: Path) -> None:
    fleet = load(example("one.yaml", tmp_path))
    assert list(fleet.engines_of("home")) == ["a", "b"]
    assert check_ports.problems(fleet, "home", is_head=True) == {}


def test_the_engines_of_the_trial_join_its_coordinator_under_names_and_addresses_of_their_own(tmp_path: Path) -> None:
    fleet = load(example("trial.yaml", tmp_path))
    assert {parse_pattern(camera.id, camera.source) for camera in fleet.cameras} == {((640, 360), 10.0)}
    engines = [configuration(example(f"{name}.yaml", tmp_path), {}, [], None) for name in ("north", "south")]
    assert {engine.fleet.coordinator for engine in engines if engine.fleet} == {fleet.coordinator.bind}
    addresses = [[engine.http.bind, engine.publish.endpoint, engine.publish.replay] for engine in engines]
    coordinator = fleet.coordinator
    used = [coordinator.bind, coordinator.directory, coordinator.replay, coordinator.http.bind, *addresses[0]]
    assert len({*used, *addresses[1]}) == 10 and [engine.fleet.engine for engine in engines if engine.fleet] == [
        "north",
        "south",
    ]
