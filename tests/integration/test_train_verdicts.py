"""`partstream train --from edge --data verdicts` on real footage: the folder is recognised, watched and learned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from run_stream import app
from stages.profiles import load_checkpoint
from stages.third_party import weights
from stages.verdicts import verdict_file
from support.training.films import write_film
from support.training.judged_people import put_verdicts, verdict
from training.annotated_videos.sightings import Sightings
from training.sources.segmented_videos import SegmentedVideo
from training.sources.watched_videos import watch_segmented

CLIPS, FRAMES, PER_SECOND, SIZE = 8, 8, 10, (320, 192)


def watch(paths: Sequence[Path], cache: Path) -> list[Sightings]:
    videos = [SegmentedVideo("verdicts", path.stem, path, FRAMES, PER_SECOND, SIZE, ()) for path in paths]
    return [video.seen for video in watch_segmented(videos, ["train"] * len(videos), cache=cache)[0]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return verdicts on a woman who walks by: six that she did not run, and two that she walked; a damaged file."""
    monkeypatch.setattr("training.sources.watched_videos.watched_cache", lambda: tmp_path / "watched")
    made = put_verdicts(tmp_path / "verdicts")
    with av.open(str(weights.locate("sports2d", "demo.mp4"))) as footage:
        frames = [frame.reformat(*SIZE, "yuv420p") for frame in islice(footage.decode(video=0), 0, CLIPS * FRAMES)]
    paths = [verdict_file.clip_paths(made, f"clip-{number:02}")[0] for number in range(CLIPS)]
    for number, path in enumerate(paths):
        write_film(path, frames[number * FRAMES : (number + 1) * FRAMES], PER_SECOND)
    for number, (path, seen) in enumerate(zip(paths, watch(paths, tmp_path / "watched"), strict=True)):
        said, truth = ("walk", "walk") if number % 4 == 3 else ("run", None)
        one = verdict(number, said, truth, seen, clip=path.stem, span=(0, FRAMES), size=SIZE, end_us=1_000_000)
        put_verdicts(made, one)
    (made / verdict_file.LABELS / "e0000abcd-99.json").write_text("{")
    return made


def train(folder: Path, *options: str) -> tuple[int, str]:
    arguments = ["train", "--data", str(folder), "--workers", "1", *options]
    done = CliRunner(env={"COLUMNS": "240"}).invoke(app, arguments)
    return done.exit_code, done.output


def test_a_folder_of_verdicts_is_learned_and_the_checkpoint_names_what_it_never_saw(
    folder: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "short.yaml"
    settings.write_text("steps: 2\ndata: {batch: 4, window: 8}\nevaluation: {sequences: 0}\n")
    out = tmp_path / "mine.safetensors"
    code, printed = train(folder, "--from", "edge", "--config", str(settings), "--out", str(out))
    assert code == 0, printed
    assert "run: 5 wrong to learn from, 1 wrong held out" in printed
    assert "walk: 1 right to learn from, 1 right held out" in printed
    assert "damaged: e0000abcd-99.json" in printed
    assert "8 verdicts on 8 clips, 0 of them in part; left out: 0; damaged files: 1" in printed
    assert "held-out verdicts" in printed
    made = load_checkpoint(str(out))
    assert made.metrics["verdicts"]["held_out_clips"] == ["clip-02", "clip-07"]
    assert made.metrics["verdicts"]["learned_units"] == [f"door/clip-0{number}" for number in (0, 1, 3, 4, 5, 6)]
    assert made.metrics["config"]["data"]["verdicts"]["folder"] == "verdicts"
    assert made.network.vocabulary.actions == load_checkpoint("edge").network.vocabulary.actions

    for path in (folder / verdict_file.LABELS).glob("*.json"):
        if b'"right"' in path.read_bytes():
            path.unlink()
    code, printed = train(folder, "--from", "edge", "--out", str(out))
    assert (
        code == 2 and "all 5 verdicts to learn from are wrong (run: 5 wrong; left out: 0; damaged files: 1)" in printed
    )
    code, printed = train(folder, "--out", str(out))
    assert code == 2 and "set start (--from), such as --from edge" in printed
