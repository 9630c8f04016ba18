"""Making one video of a generated data set: pictures, annotations, truth, and a note that it is finished.

A video depends only on the seed, the half, its number, its action and the settings, not on the order of making.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from stages.third_party import weights
from stages.vocabulary import Vocabulary, packaged
from training.kinetics_tps import AnnotatedFrame, Video, VideoFacts, video_file, write_annotations
from training.kinetics_tps.names import Split
from training.kinetics_tps.write import OFFICIAL_EVERY, scored, write_whole
from training.synthetic.activities import MotionLibrary
from training.synthetic.rendering.bodies.body_model import load_body
from training.synthetic.videos.annotation import annotated
from training.synthetic.videos.film import Film
from training.synthetic.videos.manifest import GeneratedVideo
from training.synthetic.videos.observation import observe, person_labels
from training.synthetic.videos.settings import Settings, draw_format
from training.synthetic.videos.truth import TrueFrame, Truth, truth_file, write_truth
from training.synthetic.videos.video_file import write_video

PROFILE = "edge"
"""Profile with the vocabulary of the states' names."""
MOTIONS = "motion"
ASSETS = ("body", MOTIONS)
"""Assets that must be installed."""
NOTES = ".made"
"""The folder with a note for each finished video."""
_SPLIT_NUMBER: dict[Split, int] = {"train": 0, "test": 1}


@dataclass(frozen=True, slots=True)
class Order:
    """One video to make in the data set `root`. `frames` fixes its length; None draws it."""

    root: Path
    split: Split
    seed: int
    number: int
    action: str
    unseen_motion: bool
    settings: Settings
    frames: int | None = None

    @property
    def name(self) -> str:
        """The video's name, which does not reveal the action."""
        return f"{self.split}-{self.seed}-{self.number:05d}"


class FinishedVideo(msgspec.Struct, frozen=True):
    """The note of a finished video: its entry in the manifest, and the scored frames of a test video."""

    video: GeneratedVideo
    scored: tuple[AnnotatedFrame, ...] = ()


class Maker:
    """Makes videos one by one. Raises `stages.third_party.weights.WeightsError` if body or motions are missing."""

    def __init__(self) -> None:
        self._library = MotionLibrary(weights.locate(MOTIONS))
        self._model = load_body()
        self._vocabulary: Vocabulary = packaged(PROFILE)

    def make(self, order: Order) -> FinishedVideo:
        """Make a video with all its files; the note is written last."""
        rng = np.random.default_rng([order.seed, _SPLIT_NUMBER[order.split], order.number])
        video_format = draw_format(rng, order.settings, order.frames)
        crf = int(rng.integers(order.settings.crf[0], order.settings.crf[1] + 1))
        held_out = order.split == "test"
        film = Film(rng, self._model, self._library, order.settings, video_format, order.action, held_out=held_out)
        frames: list[AnnotatedFrame] = []
        truth: list[TrueFrame] = []
        path = video_file(order.root, order.split, order.action, order.name)
        write_video(path, self._pictures(film, frames, truth), video_format.size, video_format.rate, crf)
        facts = VideoFacts(len(frames), *video_format.size)
        video = Video(order.name, order.action, path, facts, tuple(frames))
        if order.split == "train":
            write_annotations(order.root, video)
        write_truth(truth_file(order.root, order.name), Truth(tuple(truth)))
        finished = FinishedVideo(
            GeneratedVideo(
                name=order.name,
                action=order.action,
                unseen_motion=held_out and order.unseen_motion,
                sources=tuple(tuple(actor.scene.sources) for actor in film.cast.actors),
                people=len(film.cast.actors),
                camera=film.camera_name,
                above=film.looks_down,
                size=video_format.size,
                fps=video_format.rate,
                frames=len(frames),
            ),
            tuple(scored(video, OFFICIAL_EVERY)) if order.split == "test" else (),
        )
        write_whole(note_file(order.root, order.name), msgspec.json.encode(finished))
        return finished

    def _pictures(
        self, film: Film, frames: list[AnnotatedFrame], truth: list[TrueFrame]
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield the film's pictures, and append each frame's annotation and truth."""
        actors = film.cast.actors
        people_labels = [person_labels(self._vocabulary, actor, film.video_format.instants) for actor in actors]
        statures = [actor.stature for actor in actors]
        for shot in film.shots():
            people = observe(shot, people_labels, statures, self._vocabulary)
            frames.append(annotated(shot, people))
            truth.append(TrueFrame(tuple(one.person for one in people)))
            yield shot.picture


def note_file(root: Path, name: str) -> Path:
    """Return the path of a video's note."""
    return root / NOTES / f"{name}.json"


def read_note(root: Path, name: str) -> FinishedVideo | None:
    """Return the note of a video, None if it is not finished."""
    try:
        return msgspec.json.decode(note_file(root, name).read_bytes(), type=FinishedVideo)
    except (OSError, msgspec.DecodeError):
        return None
