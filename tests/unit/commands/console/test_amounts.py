"""Numbers of things, and sizes, as text."""

from __future__ import annotations

import pytest

from commands.console.amounts import counted, size_text


def test_a_noun_is_in_the_plural_unless_there_is_one() -> None:
    assert [counted(number, "camera") for number in (0, 1, 2)] == ["0 cameras", "1 camera", "2 cameras"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (12_345, "12 kB"), (340_000_000, "340 MB"), (1_200_000_000, "1.2 GB")]
)
def test_a_size_has_the_unit_that_suits_it(count: int, text: str) -> None:
    assert size_text(count) == text
