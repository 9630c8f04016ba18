"""A plain computation of what captured joints show of limbs, step by step, to compare with
`training.sources.captured.acting_limbs`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from training.sources.captured import acting_limbs as limbs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def plain_limb_tags(
    action: str, points: Array, facing: Array, missing: Flags, times: Array, during: Flags
) -> dict[str, set[int]]:
    """Return the steps at which each tag is on, for one person: `points` [T, 17, 3] in statures, y up."""
    person = _Person(points, facing, missing, times, during)
    if action == "jump":
        return {"jump": {step for step in range(len(times)) if person.flies(step)}}
    tag, does = {
        "punch": ("strike", person.strikes),
        "throw": ("throw", person.throws),
        "kick": ("kick", person.kicks),
        "carry": ("carry", person.carries),
        "pick_up": ("grab", person.grabs),
    }[action]
    return {f"{tag}_{'lr'[side]}": {step for step in range(len(times)) if does(step, side)} for side in (0, 1)}


class _Person:
    def __init__(self, points: Array, facing: Array, missing: Flags, times: Array, during: Flags) -> None:
        self.points, self.facing, self.missing = points, facing, missing
        self.times, self.during, self.count = times, during, len(times)

    def known(self, step: int, joints: Iterable[int]) -> bool:
        return not any(self.missing[step, joint] for joint in joints)

    def later(self, first: int, last: int) -> float:
        return float(self.times[last] - self.times[first])

    def distance(self, step: int, one: int, other: int) -> float:
        return math.dist(self.points[step, one], self.points[step, other])

    def measured(self, first: int, last: int, end: int) -> bool:
        """Return whether a stroke between two steps is measured; `end` is the left end's joint."""
        both = [end, end + 1, end - 4, end - 3]
        steps = range(first + 1, last + 1)
        return (
            0 < self.later(first, last) <= limbs.STROKE_S + limbs.TOLERANCE_S
            and all(self.later(step - 1, step) <= limbs.LONGEST_GAP_S + limbs.TOLERANCE_S for step in steps)
            and all(self.during[step] and self.known(step, both) for step in (first, last))
        )

    def moved(self, first: int, last: int, end: int) -> float:
        """Return how far an end (a wrist, an ankle) moved relative to its shoulder or hip."""
        places = [self.points[step, end] - self.points[step, end - 4] for step in (first, last)]
        return math.dist(*places)

    def stroke(self, last: int, side: int, end: int) -> float:
        return max((self.moved(f, last, end + side) for f in range(last) if self.measured(f, last, end)), default=0.0)

    def ends_near(self, step: int) -> list[int]:
        return [
            last
            for last in range(self.count)
            if -limbs.AFTER_S - limbs.TOLERANCE_S <= self.later(step, last) <= limbs.BEFORE_S + limbs.TOLERANCE_S
        ]

    def clear(self, steps: list[int], side: int, end: int) -> bool:
        own, other = (max(self.stroke(last, each, end) for last in steps) for each in (side, 1 - side))
        return own >= limbs.LEAST_STROKE and own >= limbs.CLEARLY * other

    def hangs(self, step: int, side: int) -> bool:
        at = self.points[step]
        down, reach = (at[11] + at[12] - at[5] - at[6]) / 2, at[9 + side] - at[5 + side]
        angle = math.acos(np.clip(down @ reach / (np.linalg.norm(down) * np.linalg.norm(reach)), -1, 1))
        return math.degrees(angle) < limbs.RAISED_DEG

    def reach(self, step: int, side: int) -> float:
        shoulder, elbow, wrist = 5 + side, 7 + side, 9 + side
        arm = self.distance(step, shoulder, elbow) + self.distance(step, elbow, wrist)
        return self.distance(step, shoulder, wrist) / arm

    def thrust(self, last: int, side: int) -> bool:
        return (
            self.reach(last, side) >= limbs.FAR
            and not self.hangs(last, side)
            and any(
                self.measured(first, last, 9)
                and self.moved(first, last, 9 + side) >= limbs.LEAST_STROKE
                and self.reach(last, side) - self.reach(first, side) >= limbs.THRUST
                for first in range(last)
            )
        )

    def arm_known(self, step: int, side: int) -> bool:
        return self.known(step, (5 + side, 7 + side, 9 + side))

    def strikes(self, step: int, side: int) -> bool:
        if not self.during[step] or not self.arm_known(step, side) or self.hangs(step, side):
            return False
        near = self.ends_near(step)
        return self.clear(near, side, 9) or any(self.thrust(last, side) for last in near)

    def throws(self, step: int, side: int) -> bool:
        if not self.during[step] or not self.arm_known(step, side):
            return False
        first, last = step, step
        while first > 0 and self.during[first - 1]:
            first -= 1
        while last + 1 < self.count and self.during[last + 1]:
            last += 1
        run = range(first, last + 1)
        release = max(run, key=lambda one: max(self.stroke(one, 0, 9), self.stroke(one, 1, 9)))
        after = self.later(release, step)
        if not -limbs.WIND_UP_S - limbs.TOLERANCE_S <= after <= limbs.FOLLOW_S + limbs.TOLERANCE_S:
            return False
        near = [one for one in run if abs(self.later(release, one)) <= limbs.BEFORE_S + limbs.TOLERANCE_S]
        if self.clear(near, side, 9):
            return True
        swing = [
            one for one in run if -limbs.WIND_UP_S - limbs.TOLERANCE_S <= self.later(release, one) <= limbs.TOLERANCE_S
        ]
        shorter, longer = sorted(max(self.stroke(one, each, 9) for one in near) for each in (0, 1))
        together = all(self.distance(one, 9, 10) <= limbs.TOGETHER for one in swing)
        return together and shorter >= limbs.LEAST_STROKE and longer <= limbs.ALIKE * shorter

    def kicks(self, step: int, side: int) -> bool:
        if not self.during[step] or not self.known(step, (15, 16)):
            return False
        lifted = self.points[step, 15 + side, 1] - self.points[step, 16 - side, 1] >= limbs.LIFTED
        return lifted and self.clear(self.ends_near(step), side, 15)

    def flies(self, step: int) -> bool:
        def lower(other: int) -> bool:
            heights = [min(self.points[one, 15, 1], self.points[one, 16, 1]) for one in (step, other)]
            return self.known(other, (15, 16)) and heights[1] <= heights[0] - limbs.OFF_FLOOR

        near = [o for o in range(self.count) if abs(self.later(step, o)) <= limbs.FLIGHT_S + limbs.TOLERANCE_S]
        sides = [any(lower(o) for o in near if sign * self.later(step, o) > 0) for sign in (-1, 1)]
        return bool(self.during[step]) and self.known(step, (15, 16)) and all(sides)

    def carries(self, step: int, side: int) -> bool:
        del side  # both arms, or none
        at = self.points[step]
        for each in (0, 1):
            upper, fore = (at[end + each] - at[7 + each] for end in (5, 9))
            angle = math.acos(np.clip(upper @ fore / (np.linalg.norm(upper) * np.linalg.norm(fore)), -1, 1))
            if not self.arm_known(step, each) or math.degrees(angle) >= limbs.BENT_DEG:
                return False
        ahead = sum(float((at[9 + each] - at[5 + each]) @ self.facing[step]) for each in (0, 1)) / 2
        near = self.distance(step, 9, 10) <= limbs.TOGETHER
        return bool(self.during[step]) and near and ahead >= limbs.AHEAD

    def low(self, step: int, side: int) -> bool:
        height = self.points[step, :, 1]
        return (
            bool(self.during[step])
            and self.known(step, (9, 10, 13, 14))
            and height[9 + side] < height[13 + side]
            and height[9 + side] <= height[10 - side] - limbs.LOWER
        )

    def grabs(self, step: int, side: int) -> bool:
        near = [one for one in range(self.count) if abs(self.later(step, one)) <= limbs.GRAB_S + limbs.TOLERANCE_S]
        often = sum(self.low(one, side) for one in near)
        return self.low(step, side) and often >= 2 and not any(self.low(one, 1 - side) for one in near)
