"""A person in an archive, as far as the reasons of alerts need it: read from the files when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stream.backtest.archive_tables import read_row
from stream.backtest.signal_columns import MEASURE_DIGITS, SCORE_DIGITS
from stream.results import Part


class ArchivedPerson:
    """The person in row `number` of a file of people. Few alerts need parts, whose columns are the largest."""

    def __init__(self, path: Path, number: int) -> None:
        self._path = path
        self._number = number

    @property
    def trunk(self) -> int | None:
        """Angle of the trunk from upright, degrees; None if unknown."""
        return self._read("trunk")

    @property
    def hips(self) -> float | None:
        """Height of the hips, statures; None if unknown."""
        hips = self._read("hips")
        return None if hips is None else round(hips, MEASURE_DIGITS)

    @property
    def parts(self) -> Sequence[Part]:
        """The parts, without their boxes."""
        return [
            Part(
                part["part"],
                (0.0, 0.0, 0.0, 0.0),
                round(part["score"], SCORE_DIGITS),
                round(part["relevance"], SCORE_DIGITS),
                [(state["label"], round(state["score"], SCORE_DIGITS)) for state in part["states"]],
            )
            for part in self._read("parts")
        ]

    def _read(self, column: str) -> Any:
        return read_row(self._path, self._number, (column,))[column]
