"""What a run writes down as it goes: one CSV row a step and, where asked for, TensorBoard.

A `TrainLog` owns both files and closes them. A resumed run goes on in the same CSV: rows of steps that it takes again
are dropped first.
"""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from training.run.learning.losses import TERMS
from training.run.learning.training_run import StepReport, TrainingError

COLUMNS: tuple[str, ...] = (
    "step",
    *TERMS,
    "learning_rate",
    "gradient_norm",
    "seconds",
    "samples_per_second",
    "held_out_accuracy",
)
"""`total` and the terms of the loss; seconds since the run began, without the time between it and being resumed; the
macro accuracy where one was measured."""


class TrainLog:
    """The log of one run, at `path`. Raises TrainingError where it can't be written, or TensorBoard isn't there."""

    def __init__(self, path: Path, *, after: int = 0, tensorboard: Path | None = None) -> None:
        """`after`: the step that a resumed run goes on from; 0 begins anew. `tensorboard`: a folder for its events."""
        self._board: Any = None if tensorboard is None else _open_board(tensorboard, after)
        kept = _rows_until(path, after) if after else []
        try:
            self._file: TextIO = path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"{path}: can't be written: {error.strerror}") from None
        self._rows = csv.DictWriter(self._file, COLUMNS)
        self._rows.writeheader()
        self._rows.writerows(kept)
        self._file.flush()

    def note(self, report: StepReport, seconds: float, samples_per_second: float, accuracy: float | None) -> None:
        """One step; `accuracy` on the selection data where it was just measured."""
        values = {
            **{name: f"{value:.6g}" for name, value in report.losses.items()},
            "learning_rate": f"{report.learning_rate:.6g}",
            "gradient_norm": f"{report.gradient_norm:.6g}",
            "seconds": f"{seconds:.2f}",
            "samples_per_second": f"{samples_per_second:.1f}",
            "held_out_accuracy": "" if accuracy is None else f"{accuracy:.6g}",
        }
        self._rows.writerow({"step": report.step, **values})
        self._file.flush()
        if self._board is not None:
            for name, text in values.items():
                if text:
                    group = "loss/" if name in TERMS else ""
                    self._board.add_scalar(group + name, float(text), report.step)

    def __enter__(self) -> TrainLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        # A row that was cut short by a kill has no number, or none for its last column.
        return [
            {name: row.get(name) or "" for name in COLUMNS}
            for row in rows
            if (row.get("step") or "").isdigit() and int(row["step"]) <= step and None not in row
        ]


def _open_board(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(
            "log.tensorboard: the package tensorboard isn't installed; install it, or set tensorboard: false"
        ) from None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
