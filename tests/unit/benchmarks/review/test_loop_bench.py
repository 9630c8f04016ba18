"""Which films measure the loop, and how they are halved."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.review.loop_bench import halves, main, unlearned
from benchmarks.run_once import RunFailedError
from support.training.data_folders import clip_entry, put_labels, watched_video


def put_films(data: Path, source: str, *names: int) -> None:
    labels = put_labels(data, source, {str(name): clip_entry((0, 50, "walk")) for name in names})
    for name in names:
        (labels.parent / f"{name}.mp4").write_bytes(b"film")


def test_without_the_data_the_benchmark_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    assert "needs the data folder with the labelled videos of Le2i and URFD" in " ".join(
        capsys.readouterr().out.split()
    )


def test_only_films_that_no_checkpoint_learned_from_are_measured(tmp_path: Path) -> None:
    put_films(tmp_path, "le2i", 0, 1, 70, 71)
    put_films(tmp_path, "urfd", 0, 1)
    assert [f"{video.source}/{video.name}" for video in unlearned(tmp_path)] == [
        "le2i/70",
        "le2i/71",
        "urfd/0",
        "urfd/1",
    ]


def test_a_source_without_films_for_training_that_a_checkpoint_learned_from_is_rejected(tmp_path: Path) -> None:
    put_films(tmp_path, "le2i", 70, 71)  # the packaged edge names le2i, and nothing here says which films it learned
    put_films(tmp_path, "urfd", 0)
    with pytest.raises(RunFailedError, match="learned from le2i"):
        unlearned(tmp_path)


def test_half_of_each_sources_films_with_and_without_a_fall_is_reviewed() -> None:
    films = [watched_video("urfd", str(number), (0, 50, "fall" if number < 4 else "sit")) for number in range(10)]
    films += [watched_video("le2i", str(number), (0, 50, "walk")) for number in range(4)]
    reviewed, unseen = halves(films, 1)
    assert {id(one) for one in reviewed} | {id(one) for one in unseen} == {id(one) for one in films}
    for half, falls in ((reviewed, 2), (unseen, 2)):
        labels = [(one.video.source, one.video.segments[0].label) for one in half]
        assert labels.count(("urfd", "fall")) == falls and labels.count(("le2i", "walk")) == 2
    assert [one.video.name for one in halves(films, 1)[0]] == [one.video.name for one in reviewed]
    assert [one.video.name for one in halves(films, 2)[0]] != [one.video.name for one in reviewed]
