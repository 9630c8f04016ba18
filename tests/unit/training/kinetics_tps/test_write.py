"""What is written is read back as it was, whatever people, labels and names it holds."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import support.training.kinetics_tps_examples as examples
from training.kinetics_tps import (
    AnnotatedFrame,
    AnnotatedObject,
    AnnotatedPart,
    AnnotatedPerson,
    Dataset,
    DatasetError,
    Lists,
    check_dataset,
    write_annotations,
    write_frame_list,
    write_lists,
)
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


NAN = float("nan")
MISNAMED = AnnotatedPerson(2, (0, 0, 4, 1), {"hip": AnnotatedPart(1, (0, 0, 1, 1), "none", "head")})


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (AnnotatedFrame(1, (AnnotatedPerson(1, (NAN, 0, 1, 1), {}),)), r"frame 1: humans\[0\]\.box"),
        (AnnotatedFrame(1, (AnnotatedPerson(1, (5, 0, 4, 1), {}),)), r"humans\[0\]\.box: \[5, 0, 4, 1\]"),
        (AnnotatedFrame(1, (examples.person(1), MISNAMED)), r"humans\[1\]\.parts\.hip: its name is 'head'"),
        (AnnotatedFrame(1, (), (AnnotatedObject(1, (0, 0, float("inf"), 1), "ball"),)), r"objects\[0\]\.box"),
        (AnnotatedFrame(0, ()), "frames must be distinct and within 1 to 12"),
        (AnnotatedFrame(13, ()), "frames must be distinct and within 1 to 12"),
    ],
)  # fmt: skip
def test_an_invalid_frame_is_not_written(tmp_path: Path, frame: AnnotatedFrame, words: str) -> None:
    video = dataclasses.replace(examples.example_video(tmp_path, "hop", "v"), frames=(frame,))
    with pytest.raises(DatasetError, match=words):
        write_annotations(tmp_path, video)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [("a", "a"), ("a ",), ("",), ("a\nb",), ("0 a", "1 b")])
def test_labels_that_would_be_read_back_differently_are_rejected(tmp_path: Path, labels: tuple[str, ...]) -> None:
    with pytest.raises(DatasetError, match=r"part_stat\.txt"):
        write_lists(tmp_path, Lists(verbs=labels))
    assert not (tmp_path / "list" / "part_stat.txt").exists()
