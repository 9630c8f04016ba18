"""The evaluator against a slow one that searches all frames again for each (`support.rules`), on random rules."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from support.rules.generated import results, rules_file
from support.rules.plain_rules import PlainEvaluator
from support.rules.steps import CAMERA, Watch


@given(seed=st.integers(0, 2**32 - 1))
def test_actions_and_alerts_are_those_of_a_search_of_all_frames(seed: int) -> None:
    random = Random(seed)
    config, steps = rules_file(random), results(random)
    watch = Watch(config)
    assert [watch.findings(step) for step in steps] == PlainEvaluator(config, CAMERA, steps).findings
