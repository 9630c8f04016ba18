"""`partstream train --from edge --data my_clips` on real footage: the pipeline names the new action."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from run_stream import app
from stages.profiles import load_checkpoint, load_model
from stages.third_party import weights
from stream.cameras.camera import ActionEvents
from support.training.films import write_film
from training.video.analysis import analyse_video

FRAMES, PER_SECOND, SIZE = 24, 10, (320, 192)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two short clips of a woman who walks by, as a new action, one without a person, and a damaged one."""
    folder = tmp_path_factory.mktemp("clips") / "my_clips"
    (folder / "stroll").mkdir(parents=True)
    with av.open(str(weights.locate("sports2d", "demo.mp4"))) as footage:
        frames = [frame.reformat(*SIZE, "yuv420p") for frame in islice(footage.decode(video=0), 0, 4 * FRAMES, 2)]
    for name, shown in (("a", frames[:FRAMES]), ("b", frames[FRAMES:])):
        write_film(folder / "stroll" / f"{name}.mp4", shown, PER_SECOND)
    empty = av.VideoFrame(*SIZE, "yuv420p")
    for plane in empty.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    write_film(folder / "stroll" / "empty_scene.mp4", [empty] * FRAMES, PER_SECOND)
    (folder / "stroll" / "damaged.mp4").write_bytes(b"no video")
    return folder


def train(folder: Path, *options: str) -> tuple[int, str]:
    arguments = ["train", "--data", str(folder), "--workers", "1", *options]
    done = CliRunner(env={"COLUMNS": "240"}).invoke(app, arguments)
    return done.exit_code, done.output


def test_a_new_action_is_learned_and_named_by_the_pipeline_and_its_events(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.sources.watched_videos.watched_cache", lambda: tmp_path / "watched")
    settings = tmp_path / "short.yaml"
    # A few steps are not enough to learn it well: the odds at the end make it win, to see its name.
    settings.write_text(
        "steps: 3\ndata: {batch: 4, window: 12, examples: {share: 0.5}}\nevaluation: {sequences: 0}\n"
        "actions: {prevalence: {stroll: 1000}}\n"
    )
    out = tmp_path / "mine.safetensors"
    code, printed = train(clips, "--from", "edge", "--config", str(settings), "--out", str(out))
    assert code == 0, printed
    assert "stroll: new action; 2 clips to learn from, 0 held out to measure. Too few" in printed
    assert "empty_scene.mp4: no person is tracked" in printed and "damaged.mp4: can't be opened or decoded" in printed
    model = load_model(str(out), "cpu", threads=1)
    events = ActionEvents()
    labels = [
        event.label
        for meta, analysis in analyse_video(model, clips / "stroll" / "a.mp4")
        for event in events.update(meta, analysis)
        if event.kind in ("started", "changed")
    ]
    assert "stroll" in labels
    assert model.info.experimental == (*load_checkpoint("edge").experimental, "stroll")
