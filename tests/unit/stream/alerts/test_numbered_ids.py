"""Ids of alerts and actions are unique, and tell nothing of other cameras."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.verdicts.verdict_file import ID
from stream.cameras.registry import NumberedIds


@given(st.lists(st.sampled_from(["door", "yard"]), min_size=1, max_size=50))
def test_ids_count_for_each_camera_alone_and_differ_between_cameras(begun: list[str]) -> None:
    ids = {"door": NumberedIds(), "yard": NumberedIds()}
    given_ids = [(camera, ids[camera].new()) for camera in begun]
    for camera in ids:
        own = [one for of, one in given_ids if of == camera]
        assert [one.partition("-")[2] for one in own] == [str(number) for number in range(1, len(own) + 1)]
        assert len({one.partition("-")[0] for one in own}) <= 1
    assert len({one for _, one in given_ids}) == len(begun)


def test_ids_have_the_form_that_requests_and_verdicts_take() -> None:
    alerts, events = NumberedIds(), NumberedIds("e")
    assert all(ID.fullmatch(one) for one in (alerts.new(), events.new(), "0123abcd-1", "e0123abcd-1"))
    assert ID.fullmatch("0123abcd4-1") is None and events.new().startswith("e")
