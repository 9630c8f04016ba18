"""What is written is read back as it was, whatever people, labels and names it holds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import support.training.kinetics_tps_examples as examples
from training.kinetics_tps import Dataset, check_dataset, write_frame_list
from training.kinetics_tps.lists import read_frame_list


def no_error(*error: object) -> None:
    pytest.fail(str(error))


@given(st.data())
def test_a_data_set_is_read_as_it_was_written_and_is_clean(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        videos, lists = data.draw(examples.datasets(root))
        examples.put_dataset(root, videos, lists)
        dataset = Dataset(root)
        assert dataset.lists == lists
        assert list(dataset.train()) == videos
        assert not dataset.skipped
        assert check_dataset(root).errors == []


@given(st.dictionaries(examples.names, st.integers(1, 10**6), max_size=5))
def test_a_frame_list_is_read_as_it_was_written(frames: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_frame_list(Path(folder), "test", frames)
        assert read_frame_list(Path(folder), "test", no_error) == frames
