"""Numbers of things, and sizes, as text."""

from __future__ import annotations

import pytest

from commands.console.amounts import counted, mpx_text, size_text


def test_a_noun_is_in_the_plural_unless_there_is_one() -> None:
    assert [counted(number, "camera") for number in (0, 1, 2)] == ["0 cameras", "1 camera", "2 cameras"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (12_345, "12 kB"), (340_000_000, "340 MB"), (1_200_000_000, "1.2 GB")]
)
def test_a_size_has_the_unit_that_suits_it(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1e-9, "0"),
        (0.058, "0.058"),
        (0.576, "0.58"),
        (2.304, "2.3"),
        (9.98, "10.0"),
        (51.84, "52"),
        (1200, "1200"),
    ],
)
def test_small_megapixels_per_second_are_not_shown_as_none(value: float, text: str) -> None:
    assert mpx_text(value) == f"{text} Mpx/s"
