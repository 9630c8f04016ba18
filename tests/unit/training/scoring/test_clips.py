"""Running a model on labelled footage: answers, figures, console output and errors."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from commands.models.footage_tables import show_clips
from ring_buffers.frames import Lease, SlotFormat
from run_stream import app
from stages.types import ActionAnalysis, FrameAnalysis, Model, ModelInfo, PersonAnalysis
from training.footage.judging import Judged
from training.footage.labels import LabelError
from training.scoring.clips import ClipScore, FootageError, answer_film, packaged_labels, score_clip
from training.scoring.figures import clip_figures, clips_json


class Counting(Model):
    """A model that sees one person in every frame, with the frame's number and mean brightness in the box."""

    info = ModelInfo("counting", "none", False)

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.formats: list[SlotFormat] = []

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        self.formats.append(SlotFormat("rgb24", (64, 32), (40, 30)))
        return self.formats[-1]

    def warm_up(self) -> None: ...

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [FrameAnalysis([self._person(lease)]) for lease in frames]

    def forget(self, camera: str) -> None:
        self.forgotten.append(camera)

    def _person(self, lease: Lease) -> PersonAnalysis:
        picture, meta = lease.picture, lease.meta
        assert picture.shape == (32, 64, 3)
        assert not picture[30:].any() and not picture[:, 40:].any()
        action = ActionAnalysis("walk", 0.75, 0, [("walk", 0.75)], "stand", 0.5) if meta.frame else None
        return PersonAnalysis(1, (meta.frame, float(picture[:30, :40].mean()), *meta.size), 0.9, action, [])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Write twenty grey pictures that become brighter, 10 per second, the first at 0.3 s."""
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 10 + number * 10, np.uint8), "rgb24")
            frame.pts, frame.time_base = number + 3, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_people_have_no_answer_or_the_requested_label(film: Path) -> None:
    people = [frame.people[0] for frame in answer_film(Counting(), film, until_s=0.5)[0]]
    assert [one.answer(smoothed=False) for one in people] == [(None, 0.0)] + [("walk", 0.75)] * 5
    assert [one.answer(smoothed=True) for one in people] == [(None, 0.0)] + [("stand", 0.5)] * 5


def test_a_file_that_is_not_a_film_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no film")
    model = Counting()
    with pytest.raises(FootageError, match=r"notes\.mp4: can't be read"):
        answer_film(model, text)
    assert model.forgotten == ["notes.mp4"]
    with pytest.raises(FootageError, match=r"absent\.mp4: can't be read: No such file"):
        answer_film(model, tmp_path / "absent.mp4")


def test_labels_of_another_version_of_the_footage_are_rejected() -> None:
    first, second = packaged_labels()["talking-test"]
    changed = msgspec.structs.replace(second, sha256="ab" * 32)
    with pytest.raises(LabelError, match=r"talking-test \(b\): labels another version of testMovie\.mp4"):
        score_clip(Counting(), [first, changed], ["test"])


def judged(*answers: tuple[str, str | None, float, bool], seconds: float = 0.5) -> list[Judged]:
    return [
        Judged("yard", 1, number * seconds, seconds, truth, answer, score, missed)
        for number, (truth, answer, score, missed) in enumerate(answers)
    ]


SOME = judged(
    ("walk", "walk", 0.9, False),
    ("walk", "other", 0.6, False),
    ("walk", None, 0.0, True),
    ("walk", None, 0.0, False),
    ("stand", "walk", 0.7, False),
    ("stand", "stand", 0.96, False),
)


def test_the_json_object_has_figures_clips_and_instants() -> None:
    found = json.loads(json.dumps(clips_json([ClipScore("yard", (384, 288), "test", "a", SOME, 1.5)])))
    assert found["actions"]["walk"]["frames"] == 2.0 and found["actions"]["walk"]["right"] == 0.5
    assert found["confusion"]["walk"] == {"(missed)": 0.5, "(no answer)": 0.5, "other": 0.5, "walk": 0.5}
    assert found["at_least"]["0.7"]["precision"] == 0.6667 and found["at_least"]["0.7"]["coverage"] == 0.5
    assert found["clips"]["yard"]["unlabelled_seconds"] == 1.5
    assert found["clips"]["yard"]["detector_picture"] == [384, 288]
    assert len(found["clips"]["yard"]["instants"]) == len(SOME)


def test_the_console_shows_labels_clips_and_thresholds_even_without_labels() -> None:
    console = Console(file=io.StringIO(), width=160)
    empty = ClipScore("garden", (256, 256), "test", "a", [], 0.0)
    both = [ClipScore("yard", (384, 288), "test", "a", SOME, 1.5), empty]
    show_clips(clip_figures(both), both, console)
    shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    for words in ("test half, labeller a", "stand 50%, walk 50%", "384x288", "1.5 s", "66.7%", "garden", "256x256"):
        assert words in shown
    show_clips(clip_figures([empty]), [empty], console)


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", **environment}).invoke(app, ["footage", *arguments])


def test_an_unknown_clip_is_a_usage_error_that_names_the_known_ones() -> None:
    done = call("score", "--clip", "vtest", "--clip", "cinema")
    assert done.exit_code == 2
    assert "no labels for cinema" in done.output and "sports2d" in done.output


def test_missing_weights_exit_with_3_and_name_the_command_to_run(tmp_path: Path) -> None:
    done = call("score", "--clip", "vtest", PARTSTREAM_CACHE=str(tmp_path))
    assert done.exit_code == 3
    assert "weights fetch" in done.output
