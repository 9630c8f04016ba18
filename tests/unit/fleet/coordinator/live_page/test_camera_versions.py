"""Which cameras have changed since a reader had them."""

from __future__ import annotations

import asyncio

from fleet.coordinator.live_page.camera_versions import AT_ONCE, CameraVersions, Changed


class Fleet:
    """Cameras with the facts of each, as one number."""

    def __init__(self, count: int = 3) -> None:
        self.facts = {f"c{number}": 0 for number in range(count)}
        self.versions = CameraVersions(lambda: self.facts, lambda camera: self.facts[camera])

    async def changed(self, since: str = "", cameras: frozenset[str] | None = None) -> Changed:
        """Ask as a reader who may have these cameras; None: all."""
        return await self.versions.since(since, lambda camera: cameras is None or camera in cameras, cameras)


async def test_a_reader_gets_all_cameras_at_first_and_then_those_that_have_changed() -> None:
    fleet = Fleet()
    first = await fleet.changed()
    assert (first.whole, first.count, first.cameras) == (True, 3, ["c0", "c1", "c2"])
    second = await fleet.changed(first.version)
    assert (second.whole, second.count, second.cameras) == (False, 3, [])
    fleet.facts["c1"] += 1
    fleet.facts["new"] = 0
    third = await fleet.changed(second.version)
    assert (third.whole, third.count, third.cameras) == (False, 4, ["c1", "new"])
    assert (await fleet.changed(first.version)).cameras == ["c1", "new"], "a reader that was away gets them, too"
    assert (await fleet.changed(third.version)).cameras == []


async def test_the_count_tells_a_reader_that_a_camera_is_gone_and_one_that_is_back_has_changed() -> None:
    fleet = Fleet()
    first = await fleet.changed()
    facts = fleet.facts.pop("c1")
    second = await fleet.changed(first.version)
    assert (second.count, second.cameras) == (2, [])
    fleet.facts["c1"] = facts
    assert (await fleet.changed(second.version)).cameras == ["c1"]


async def test_a_reader_gets_all_again_when_it_may_have_other_cameras_or_its_version_is_not_known() -> None:
    fleet, one = Fleet(), frozenset({"c2"})
    first = await fleet.changed()
    limited = await fleet.changed(first.version, one)
    assert (limited.whole, limited.count, limited.cameras) == (True, 1, ["c2"])
    assert (await fleet.changed(limited.version)).whole
    fleet.facts["c1"] += 1
    assert (await fleet.changed(limited.version, one)).cameras == []
    for unknown in ("1", "x.y.z", f"{first.version}0x", f"{first.version}-1", (await Fleet().changed()).version, "٣"):
        assert (await fleet.changed(unknown)).whole, unknown


async def test_a_change_that_another_reader_finds_meanwhile_has_a_later_version() -> None:
    fleet = Fleet(5 * AT_ONCE)
    begun = (await fleet.changed()).version
    before, after = f"c{5 * AT_ONCE - 2}", f"c{5 * AT_ONCE - 1}"
    first = asyncio.create_task(fleet.changed(begun))
    for _ in range(2):
        await asyncio.sleep(0)
    second = asyncio.create_task(fleet.changed(begun))
    fleet.facts[before] += 1
    found = await first
    assert found.cameras == [before] and not second.done()
    fleet.facts[after] += 1
    assert (await second).cameras == [before, after]
    assert (await fleet.changed(found.version)).cameras == [after]
