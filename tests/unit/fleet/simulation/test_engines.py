"""The simulated engine's side of the protocol."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.placement.events import Measured
from fleet.simulation.engines import Asked, SimulatedEngine, SimulatedGrant
from stream.membership.protocol import EngineReport, Fence
from stream.results import EngineAddress


def engine(fence: Fence = "soft", refuses: str = "") -> SimulatedEngine:
    return SimulatedEngine(
        EngineAddress("e", "n", "a", "tcp://e:1", "tcp://e:2"),
        EngineReport(100, 64),
        starts_in_s=lambda camera: 1.0,
        pixels=lambda camera: 2.0,
        refuses=lambda camera: "it cannot" if camera == refuses else "",
        fence=fence,
    )


def granted(one: SimulatedEngine, now_s: float, generations: Mapping[str, int] | None, ttl_s: float = 2) -> Asked:
    asked, _ = one.renew(now_s)
    one.take(SimulatedGrant(asked, ttl_s, generations), now_s)
    return asked


def test_an_engine_tells_its_cameras_until_a_renewal_that_had_them_is_answered() -> None:
    one = engine()
    granted(one, 0, {"c": 5})
    asked, renewal = one.renew(0.1)
    assert renewal.cameras == {"c": Measured(5, False, 2.0)}
    assert one.renew(0.2)[1].cameras is not None
    one.take(SimulatedGrant(asked, 2, None), 0.3)
    assert one.renew(0.3)[1].cameras is None
    assert one.renew(1)[1].cameras == {"c": Measured(5, True, 2.0)}


def test_an_engine_publishes_a_live_camera_under_a_strict_fence_only_while_its_lease_holds() -> None:
    soft, strict = engine(), engine("strict")
    for one in (soft, strict):
        granted(one, 0, {"c": 5})
    assert strict.published(0.9) == {}
    assert strict.published(1) == {"c": 5}
    assert strict.published(2) == {}
    assert soft.published(2) == {"c": 5}


def test_a_late_grant_prolongs_the_lease_from_the_renewal_that_it_answers() -> None:
    one = engine("strict")
    asked, _ = one.renew(0)
    one.take(SimulatedGrant(asked, 2, {"c": 5}), 1.5)
    assert one.holds("c", 1.9)
    assert not one.holds("c", 2)


def test_a_camera_whose_generation_alone_changes_stays_live() -> None:
    one = engine()
    granted(one, 0, {"c": 5})
    granted(one, 1, {"c": 6})
    assert one.published(1) == {"c": 6}
    granted(one, 1, {})
    assert one.running == {}


def test_a_refused_camera_is_told_with_the_reason_and_tried_again_with_another_generation() -> None:
    one = engine(refuses="c")
    granted(one, 0, {"c": 5})
    assert one.renew(0)[1].cameras == {"c": Measured(5, False, refused="it cannot")}
    granted(one, 0, {"c": 6})
    assert one.refused == {"c": 6}
    granted(one, 0, {})
    assert one.refused == {}
