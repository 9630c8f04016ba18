from __future__ import annotations

import random

from stream.sources.reader import Backoff


class Middle(random.Random):
    def random(self) -> float:
        return 0.0


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(0.25, 3.0, Middle())
    assert [backoff.next_s() for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_camera_that_refuses_is_asked_every_second_and_others_as_late_as_before() -> None:
    backoff = Backoff(0.25, 15.0, Middle())
    assert [backoff.next_s(refused=True) for _ in range(6)] == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert backoff.next_s() == 15.0


def test_waits_begin_short_again_after_a_reset() -> None:
    backoff = Backoff(0.25, 3.0, Middle())
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 0.25
