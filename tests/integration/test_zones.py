"""Zones and lines of a running engine: in results, changed over the control API, and kept over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stream import results
from stream.engine import Engine
from support.engines.controlled_engine import Client, configured
from support.engines.walker import Walker
from support.waiting import until

SOURCE = "pattern:200x100@25"
HALL = {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}


def camera(**settings: Any) -> dict[str, Any]:
    return {"id": "door", "source": SOURCE, **settings}


async def test_results_name_the_zone_while_a_person_walks_through_it() -> None:
    async with Engine(configured(camera(pace="fast", zones={"hall": HALL})), model=Walker()) as engine:
        feet = dict[float, list[str]]()
        async for message in engine.results():
            if isinstance(message, results.Frame):
                (person,) = message.people
                assert person.foot is not None and person.foot[1] == 90.0
                feet[person.foot[0]] = person.zones
                if len(feet) == 200:
                    break
    # 5 % of 40 pixels beyond the border at x 100.
    assert all(zones == (["hall"] if x <= 102 else []) for x, zones in feet.items() if x > 1)
    assert feet[0] == feet[1] == ["hall"]


async def test_zones_set_and_removed_over_the_control_api_apply_without_a_new_epoch(tmp_path: Path) -> None:
    config = configured(camera(), state_file=str(tmp_path / "cameras.json"))
    async with Engine(config, model=Walker()) as engine, aiohttp.ClientSession() as session:
        client = Client(session, engine.http_address or "")
        frames: list[results.Frame] = []
        engine.publisher.on_message(lambda topic, one: frames.append(one) if isinstance(one, results.Frame) else None)

        def seen(zones: list[str]) -> bool:
            return any(frame.people and frame.people[0].zones == zones for frame in frames)

        await until(lambda: seen([]))
        everywhere = {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}
        path = "/api/v1/cameras/door"
        status, changed, _ = await client.ask("PATCH", path, json={"zones": {"yard": everywhere}})
        assert (status, changed["settings"]["zones"]) == (200, {"yard": everywhere | {"ignore": False}})
        await until(lambda: seen(["yard"]))
        hidden = {"yard": everywhere | {"ignore": True}}
        assert (await client.ask("PATCH", path, json={"zones": hidden}))[0] == 200
        await until(lambda: frames[-1].people == [])
        assert (await client.ask("PATCH", path, json={"zones": None}))[0] == 200
        await until(lambda: bool(frames[-1].people) and not frames[-1].people[0].zones)
        assert {frame.epoch for frame in frames} == {1}
        for zones in ({"hall": HALL}, {"yard": everywhere}):  # the second replaces the first
            assert (await client.ask("PATCH", path, json={"zones": zones}))[0] == 200
    async with Engine(config, model=Walker()) as engine:
        assert list(engine.cameras.configs["door"].zones) == ["yard"], "kept in the state file"


@pytest.mark.parametrize(
    ("zones", "field"),
    [
        ({"hall": {"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}}, "zones.hall.points"),
        ({"hall": {"points": [[0, 0], [1, 1]]}}, "zones.hall.points"),
        ({"hall": {"points": [[0, 0], [1, 0], [1, 2]]}}, "zones.hall.points.2.1"),
        ({"The Hall": HALL}, "zones.The Hall.[key]"),
        ({f"zone{n}": HALL for n in range(33)}, "zones"),
        ({"hall": HALL | {"colour": "red"}}, "zones.hall.colour"),
    ],
)
async def test_a_wrong_zone_is_an_error_that_names_it_and_the_old_zones_stay(zones: dict[str, Any], field: str) -> None:
    async with (
        Engine(configured(camera(zones={"hall": HALL})), model=Walker()) as engine,
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, engine.http_address or "")
        status, body, _ = await client.ask("PATCH", "/api/v1/cameras/door", json={"zones": zones})
        assert (status, [error["field"] for error in body["errors"]]) == (422, [field])
        assert list(engine.cameras.configs["door"].zones) == ["hall"]


async def test_results_name_a_line_set_over_the_control_api_each_time_a_person_crosses_it() -> None:
    quick = camera(source="pattern:200x100@100")
    async with Engine(configured(quick), model=Walker()) as engine, aiohttp.ClientSession() as session:
        client = Client(session, engine.http_address or "")
        crossings, epochs = list[tuple[float, list[results.Crossing]]](), set[int]()

        def note(topic: str, message: results.Message) -> None:
            if isinstance(message, results.Frame):
                epochs.add(message.epoch)
                crossings.extend(
                    (one.foot[0], one.crossed) for one in message.people if one.foot is not None and one.crossed
                )

        engine.publisher.on_message(note)
        wrong = {"fence": {"points": [[0.5, 0.5], [0.5, 0.5]]}}
        status, body, _ = await client.ask("PATCH", "/api/v1/cameras/door", json={"lines": wrong})
        assert (status, [error["field"] for error in body["errors"]]) == (422, ["lines.fence.points"])
        lines = {"fence": {"points": [[0.5, 0], [0.5, 1]]}}
        status, changed, _ = await client.ask("PATCH", "/api/v1/cameras/door", json={"lines": lines})
        assert (status, changed["settings"]["lines"]) == (200, lines)
        await until(lambda: len(crossings) >= 3)
    # To the right in steps of a pixel, beyond x 100 by 3 % of 40 pixels, and back to x 0 at once.
    for x, crossed in crossings:
        assert abs(x - 100) > 1.2
        assert crossed == [("fence", "left" if x > 100 else "right")]
    assert {x > 100 for x, _ in crossings} == {True, False}
    assert epochs == {1}


async def test_an_ignored_persons_action_ends_with_an_event() -> None:
    ignored = {"hall": HALL | {"ignore": True}}
    async with Engine(configured(camera(pace="fast", zones=ignored)), model=Walker()) as engine:
        kinds: list[str] = []
        async for message in engine.results():
            if isinstance(message, results.Event):
                kinds.append(message.kind)
                if len(kinds) == 4:
                    break
    assert kinds == ["started", "ended", "started", "ended"]
