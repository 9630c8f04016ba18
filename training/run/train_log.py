"""The log of a run: one CSV row per step and optionally TensorBoard.

A resumed run appends to the same CSV, after dropping the rows of steps that it repeats.
"""

from __future__ import annotations

import contextlib
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
"""`total` and the terms of the loss; seconds of the run without interruptions; macro accuracy at evaluations."""


class TrainLog:
    """The log of one run. Raises TrainingError if it cannot be written, or without the package tensorboard."""

    def __init__(self, path: Path, *, after: int = 0, tensorboard: Path | None = None) -> None:
        """`after`: the step from which a run resumes, 0 for a new run. `tensorboard`: a folder for its events."""
        self._board: Any = None if tensorboard is None else _open_board(tensorboard, after)
        self._path = path
        opened: TextIO | None = None
        try:
            kept = _rows_until(path, after) if after else []
            self._file = opened = path.open("w", newline="", encoding="utf-8")
            self._rows = csv.DictWriter(opened, COLUMNS)
            self._rows.writeheader()
            self._rows.writerows(kept)
            self._file.flush()
        except OSError as error:
            if opened is not None:
                _close(opened)
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> TrainingError:
        return TrainingError(f"{self._path}: can't be written: {error.strerror or error}")

    def note(self, report: StepReport, seconds: float, samples_per_second: float, accuracy: float | None) -> None:
        """Write one step; `accuracy` if the weights were evaluated after it. Raises TrainingError."""
        values = {
            **{name: f"{value:.6g}" for name, value in report.losses.items()},
            "learning_rate": f"{report.learning_rate:.6g}",
            "gradient_norm": f"{report.gradient_norm:.6g}",
            "seconds": f"{seconds:.2f}",
            "samples_per_second": f"{samples_per_second:.1f}",
            "held_out_accuracy": "" if accuracy is None else f"{accuracy:.6g}",
        }
        try:
            self._rows.writerow({"step": report.step, **values})
            self._file.flush()
        except OSError as error:
            raise self._unwritten(error) from None
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
        _close(self._file)
        if self._board is not None:
            self._board.close()


def _close(file: TextIO) -> None:
    with contextlib.suppress(OSError):  # on a full disk, what was not flushed fails again
        file.close()


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        # A row truncated by a kill lacks its number or its last column.
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
            "log.tensorboard: the package tensorboard is not installed; install it, or set tensorboard: false"
        ) from None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
