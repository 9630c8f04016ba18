"""Whatever bytes a file holds, a reader returns a sound recording or raises its one typed error."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.training.motion_files import (
    bvh_text,
    marker_frame,
    marker_text,
    msr_text,
    ntu_text,
    save_jhmdb,
    save_penn,
    utkinect_text,
    walked,
)
from training.sources.formats.body import PoseSequence, Recording, whole
from training.sources.formats.bvh import read_bvh
from training.sources.formats.conversion import Options, converted
from training.sources.formats.joint_names import joints_of, read_joint_map
from training.sources.formats.kinect import read_action_labels, read_msr_action3d, read_ntu, read_utkinect
from training.sources.formats.labels import read_pairs
from training.sources.formats.markers import read_markers
from training.sources.formats.matlab import read_jhmdb, read_penn
from training.sources.formats.reading import FormatError
from training.sources.formats.videos import read_table

CALM = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def read_bvh_joints(path: Path) -> Recording:
    bvh = read_bvh(path)
    times = np.arange(len(bvh.motion)) * bvh.frame_s
    return Recording("clip", times, joints_of(path, bvh, {}), whole("clip"))


READERS: dict[str, Callable[[Path], Any]] = {
    "clip.bvh": read_bvh_joints,
    "m05_s01_e01_positions.txt": read_markers,
    "m05_s01_e01_positions.txt.gz": read_markers,
    "joints_s01_e01.txt": read_utkinect,
    "a01_s01_e01_skeleton3D.txt": read_msr_action3d,
    "S001C001P001R001A001.skeleton": read_ntu,
    "0001.mat": read_penn,
    "joint_positions.mat": read_jhmdb,
    "actionLabel.txt": read_action_labels,
    "segments.csv": read_table,
    "segments.json": read_table,
    "joints.yaml": read_joint_map,
    "labels.yaml": read_pairs,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sound contents by file name."""
    folder = tmp_path_factory.mktemp("sound")
    x = np.full((2, 13), 40.0)
    markers = marker_text([marker_frame()] * 4).encode()
    return {
        "clip.bvh": bvh_text([{"Neck": (1, 2, 3)}, {}, {}]).encode(),
        "m05_s01_e01_positions.txt": markers,
        "m05_s01_e01_positions.txt.gz": gzip.compress(markers),
        "joints_s01_e01.txt": utkinect_text(walked(4), [1, 3, 5, 9]).encode(),
        "a01_s01_e01_skeleton3D.txt": msr_text(walked(3)).encode(),
        "S001C001P001R001A001.skeleton": ntu_text([{1: place} for place in walked(11)]).encode(),
        "0001.mat": save_penn(folder / "0001.mat", x, x).read_bytes(),
        "joint_positions.mat": save_jhmdb(folder, "run", "film", pos_img=np.ones((2, 15, 3))).read_bytes(),
        "actionLabel.txt": b"s01_e01\nwalk: 252 390\ncarry: NaN NaN\n",
        "segments.csv": b"video,start,end,label\na.mp4,0,1.5,walk\n",
        "segments.json": b'[{"video": "a.mp4", "start": 0, "end": 1.5, "label": "walk"}]',
        "joints.yaml": b"l_wrist: LeftHand\nhead: [a, b]\n",
        "labels.yaml": b"waveHands: wave\npush: null\n",
    }


def read_or_refuse(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = READERS[name](path)
        except FormatError as error:
            assert name in str(error) and len(str(error)) < 5000
            return
        several = found if isinstance(found, list) else [found]
        for one in several:
            if isinstance(one, PoseSequence):
                assert not np.isinf(one.keypoints).any() and (one.keypoints[..., 2] <= 1).all()
            elif isinstance(one, Recording):
                assert one.joints.shape == (len(one.times), 20, 3) and not np.isinf(one.joints).any()
                assert (np.diff(one.times) > 0).all()
        recordings = [one for one in several if isinstance(one, Recording)]
        if recordings:
            _convert(recordings)


def _convert(recordings: list[Recording]) -> None:
    for options in (Options(), Options(unit="m", up="y", sides="by-toes", tilted=True), Options(up="z", stature=1.7)):
        try:
            done = converted(recordings, options)
        except FormatError:
            continue
        for one in done.recordings:
            assert not np.isinf(one.joints).any() and len(one.joints) == len(one.times)


@pytest.mark.parametrize("name", READERS)
def test_sound_files_are_read(tmp_path: Path, sound: dict[str, bytes], name: str) -> None:
    path = tmp_path / name
    path.write_bytes(sound[name])
    assert READERS[name](path) is not None


@pytest.mark.parametrize("name", READERS)
@CALM
@given(content=st.binary(max_size=300))
@example(content=b"\0" * 200)
@example(content=b"\xff" * 200)
@example(content=b"&a [*a, *a]: 1")
def test_random_bytes_are_refused_with_the_typed_error(tmp_path: Path, name: str, content: bytes) -> None:
    read_or_refuse(tmp_path, name, content)


@pytest.mark.parametrize("content", [b"1 " * 10_000, b"[" * 100_000, b"{" * 50_000], ids=["long", "lists", "mappings"])
@pytest.mark.parametrize("name", READERS)
def test_long_and_deep_files_are_refused_with_the_typed_error(tmp_path: Path, name: str, content: bytes) -> None:
    """These are no examples of the test above, because Hypothesis allows a deeper recursion, which takes seconds."""
    read_or_refuse(tmp_path, name, content)


@pytest.mark.parametrize("name", READERS)
@CALM
@given(data=st.data())
def test_a_cut_file_is_refused_or_read_to_a_sound_recording(
    tmp_path: Path, sound: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    whole_file = sound[name]
    read_or_refuse(tmp_path, name, whole_file[: data.draw(st.integers(0, len(whole_file)))])


@pytest.mark.parametrize("name", READERS)
@CALM
@given(data=st.data())
def test_changed_bytes_are_refused_or_read_to_a_sound_recording(
    tmp_path: Path, sound: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    content = bytearray(sound[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    read_or_refuse(tmp_path, name, bytes(content))


WORDS = [
    b"nan",
    b"inf",
    b"-inf",
    b"1e308",
    b"-1",
    b"0",
    b"1e-320",
    b"99999999999999999999",
    b"",
    b"0x1",
    b"1_0",
    b"\xc2\xb2",
]


@pytest.mark.parametrize("name", [name for name in READERS if not name.endswith((".mat", ".gz"))])
@CALM
@given(data=st.data())
def test_changed_words_are_refused_or_read_to_a_sound_recording(
    tmp_path: Path, sound: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    words = sound[name].replace(b"\n", b" \n ").split(b" ")
    for _ in range(data.draw(st.integers(1, 3))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from(WORDS))
    read_or_refuse(tmp_path, name, b" ".join(words))
