"""A full disk ends a run with a message that names the file."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.training.training_examples import motion_clips, stand_in_table, tiny
from training.run.learning.training_run import TrainingError
from training.run.train import train
from training.run.train_log import TrainLog


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow beyond 50 kB, as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_ends_the_run_with_a_message_and_leaves_no_part_of_a_state(
    tmp_path: Path, small_files: None
) -> None:
    with pytest.raises(TrainingError, match=r"full\.safetensors\.resume\.pt: can't be written: .*space on the disk"):
        train(tiny(steps=1), tmp_path / "full.safetensors", motions=motion_clips(), priors=stand_in_table())
    assert [path.name for path in tmp_path.iterdir()] == ["full.safetensors.log.csv"]


def test_a_log_on_a_full_disk_gives_a_message() -> None:
    with pytest.raises(TrainingError, match="/dev/full: can't be written: No space left"), TrainLog(Path("/dev/full")):
        pass
