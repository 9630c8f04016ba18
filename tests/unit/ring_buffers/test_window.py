"""StaggeredWindow: the answering state has always seen enough, never more than W, and is never the one just reset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.window import StaggeredWindow

windows = st.integers(2, 130)
step_counts = st.integers(0, 2000)


@given(windows, step_counts)
def test_the_answer_has_seen_between_half_the_window_and_all_of_it(steps, n):
    seen = StaggeredWindow(steps).plan(n).seen
    assert seen <= steps
    assert seen == n + 1 if n < steps else seen >= steps // 2 + 1


@given(windows, step_counts)
def test_the_answering_state_is_never_reset_except_at_the_first_step(steps, n):
    plan = StaggeredWindow(steps).plan(n)
    if n > 0:
        assert not (plan.reset_a, plan.reset_b)[plan.answer]
    else:
        assert plan == (True, False, 0, 1)


@given(windows, step_counts)
def test_resets_are_at_the_documented_steps(steps, n):
    plan = StaggeredWindow(steps).plan(n)
    assert plan.reset_a == (n % steps == 0)
    assert plan.reset_b == (n % steps == steps // 2)


@given(windows, st.integers(1, 600))
def test_seen_counts_the_steps_since_the_answering_states_last_reset_and_the_older_answers(steps, count):
    window = StaggeredWindow(steps)
    ages: list[int | None] = [None, None]  # steps seen by A, B since their first reset
    for n in range(count):
        plan = window.plan(n)
        for state, reset in enumerate((plan.reset_a, plan.reset_b)):
            age = ages[state]
            ages[state] = 1 if reset else None if age is None else age + 1
        known = [age for age in ages if age is not None]
        assert plan.seen == ages[plan.answer] == max(known)
