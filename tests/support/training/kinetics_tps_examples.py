"""A small data set in the Kinetics-TPS layout with real videos, and strategies for random ones."""

from __future__ import annotations

import functools
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from hypothesis import strategies as st

from stages.vocabulary import PARTS
from training.kinetics_tps import (
    AnnotatedFrame,
    AnnotatedObject,
    AnnotatedPart,
    AnnotatedPerson,
    Box,
    Lists,
    Video,
    VideoFacts,
    video_file,
    write_annotations,
    write_frame_list,
    write_lists,
)

WIDTH, HEIGHT, FRAMES = 96, 64, 12
FACTS = VideoFacts(FRAMES, WIDTH, HEIGHT)
VERBS = ("none", "bend", "hold", "step", "others")
LISTS = Lists(PARTS, VERBS, ("ball", "none"))


def make_clip(path: Path, frames: int = FRAMES, *, front: bool = False, sound: bool = False) -> Path:
    """Write a short H.264 video, or one of sound only; `front` puts the index at the front, as in web videos."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"} if front else {}) as container:
        if sound:
            voice = container.add_stream("aac", rate=8000)
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            piece.sample_rate, piece.pts = 8000, 0
            container.mux([*voice.encode(piece), *voice.encode(None)])
            return path
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "4"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@functools.cache
def clip_bytes(*, front: bool = False) -> bytes:
    """Return the contents of the usual clip, encoded once."""
    with tempfile.TemporaryDirectory() as folder:
        return make_clip(Path(folder) / "clip.mp4", front=front).read_bytes()


def put_clip(path: Path, content: bytes | None = None) -> Path:
    """Write the usual clip, or other content, to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(clip_bytes() if content is None else content)
    return path


def person(number: int = 1, box: Box = (10, 5, 40, 60), **verbs: str) -> AnnotatedPerson:
    """Return a person whose parts have these verbs."""
    parts = {name: AnnotatedPart(at, (12.5, 8, 20, 16), verb, name) for at, (name, verb) in enumerate(verbs.items())}
    return AnnotatedPerson(number, box, parts)


def example_video(root: Path, action: str, name: str, indices: tuple[int, ...] = (1, 4, 6)) -> Video:
    """Return a video of one person whose hand has another verb in every frame."""
    frames = tuple(
        AnnotatedFrame(index, (person(head="none", left_hand=VERBS[at % 3]),)) for at, index in enumerate(indices)
    )
    return Video(name, action, video_file(root, "train", action, name), FACTS, frames)


def put_example(root: Path) -> Path:
    """Write three training videos of two classes and two test videos, all valid."""
    videos = [example_video(root, "lunge", "a1"), example_video(root, "lunge", "a2"), example_video(root, "hop", "b1")]
    put_dataset(root, videos)
    for folder, name in (("lunge", "t1"), ("hop", "t2")):
        put_clip(video_file(root, "test", folder, name))
    write_frame_list(root, "test", {"t1": FRAMES, "t2": FRAMES})
    return root


def put_dataset(root: Path, videos: list[Video], lists: Lists = LISTS) -> None:
    """Write the videos' annotations, lists and clips."""
    for video in videos:
        put_clip(video.path)
        write_annotations(root, video)
    write_lists(root, lists)
    write_frame_list(root, "train", {video.name: video.facts.frames for video in videos})


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Draw a box that overlaps the picture."""
    x1, y1 = draw(st.floats(-50, WIDTH - 0.5)), draw(st.floats(-50, HEIGHT - 0.5))
    x2, y2 = max(x1, 0.0) + draw(st.floats(0, 200)), max(y1, 0.0) + draw(st.floats(0, 200))
    return (x1, y1, x2, y2)


def people(lists: Lists = LISTS) -> st.SearchStrategy[AnnotatedPerson]:
    """Return a strategy for people with any of the parts and verbs."""
    part = st.tuples(st.sampled_from(lists.parts), st.integers(0, 10**6), boxes(), st.sampled_from(lists.verbs))
    parts = st.lists(part, max_size=4, unique_by=lambda drawn: drawn[0]).map(
        lambda drawn: {name: AnnotatedPart(number, box, verb, name) for name, number, box, verb in drawn}
    )
    return st.builds(AnnotatedPerson, st.integers(-5, 10**6), boxes(), parts)


def frames(lists: Lists = LISTS) -> st.SearchStrategy[AnnotatedFrame]:
    """Return a strategy for frames with up to three people and two objects."""
    thing = st.builds(AnnotatedObject, st.integers(0, 100), boxes(), st.text(max_size=8))
    return st.builds(
        AnnotatedFrame,
        st.integers(1, FRAMES),
        st.lists(people(lists), max_size=3).map(tuple),
        st.lists(thing, max_size=2).map(tuple),
    )


names = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/\\"), min_size=1, max_size=12).filter(
    lambda name: not name.startswith(".") and not name.lower().endswith(".mp4")
)
"""Valid names of classes and videos: any letters, marks and signs."""


@st.composite
def lists_of_labels(draw: st.DrawFn) -> Lists:
    """Draw lists of labels of one line each, with the ten parts among the parts."""
    label = st.text(st.characters(categories=("L",)), min_size=1, max_size=6)
    verbs = draw(st.lists(label, min_size=1, max_size=5, unique=True))
    others = draw(st.lists(label.filter(lambda name: name not in PARTS), max_size=2, unique=True))
    return Lists((*PARTS, *others), tuple(verbs), ("ball",))


@st.composite
def datasets(draw: st.DrawFn, root: Path) -> tuple[list[Video], Lists]:
    """Draw the videos of a data set at `root`, in reading order, and its lists."""
    lists = draw(lists_of_labels())
    places = draw(st.lists(st.tuples(names, names), min_size=1, max_size=3, unique_by=lambda place: place[1]))
    videos: list[Video] = []
    for action, name in sorted(places):
        drawn = draw(st.lists(frames(lists), min_size=1, max_size=3, unique_by=lambda frame: frame.index))
        ordered = tuple(sorted(drawn, key=lambda frame: frame.index))
        videos.append(Video(name, action, video_file(root, "train", action, name), FACTS, ordered))
    return videos, lists
