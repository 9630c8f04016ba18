"""Errors of a training run that a user can correct."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """Training cannot start or continue; the message says what to do."""


class DivergedError(TrainingError):
    """A loss or the gradient is not finite; the message names the step and the loss. The weights are those of the step
    before."""
