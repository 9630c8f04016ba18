"""Generated videos: determinism by seed, consistency with their truth, and a layout that all readers accept."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import av
import numpy as np
import pytest

from support.imported_files import imported_files
from support.repository import REPOSITORY
from training.benchmark.submission import read_ground_truth
from training.kinetics_tps import Dataset, check_dataset, video_file
from training.synthetic.motion.skeleton import KEYPOINTS
from training.synthetic.videos import folder, making
from training.synthetic.videos.annotation import VERB_ORDER, verb_of
from training.synthetic.videos.code import SOURCES, code_hash
from training.synthetic.videos.folder import GeneratedFolder, GenerateError, Plan
from training.synthetic.videos.manifest import GROUND_TRUTH, Manifest, read_manifest
from training.synthetic.videos.settings import Settings
from training.synthetic.videos.sheet import save_sheet
from training.synthetic.videos.truth import LEAST_VISIBLE, Truth, read_truth, truth_file
from training.synthetic.videos.video_file import _REPEATABLE, write_video

SMALL = Settings(people=(0.0, 1.0), sizes=((128, 112),), stature=(50.0, 80.0), seconds=(2.0, 2.5), clutter=0.0)
WITHOUT_EFFECT = (
    "ring_buffers/**/*.py",
    "stages/runtimes/control_groups.py",
    "stages/runtimes/machine.py",
    "stages/third_party/*.py",
    "stages/vocabulary.py",
    "stages/whole_file.py",
    "training/kinetics_tps/*.py",
    "training/synthetic/videos/manifest.py",
    "training/synthetic/videos/truth.py",
    "training/video/*.py",
)
"""Modules that making videos imports but that do not change what a video shows: file formats, checks, downloads."""
PLAN = Plan("train", 2, 11, ("wave", "walk"), SMALL, frames=4)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def same_code() -> Generator[None]:
    """Keep an edit of the sources during the tests from changing the hash of compared sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "code_hash", lambda: "0" * 64)
        yield


@pytest.fixture(scope="module")
def train_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train")
    GeneratedFolder(root, PLAN).make()
    return root


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("test")
    GeneratedFolder(root, Plan("test", 2, 11, ("wave", "walk"), SMALL, frames=7)).make()
    return root


def truths(root: Path) -> list[tuple[str, Truth]]:
    return [(video.name, read_truth(truth_file(root, video.name))) for video in read_manifest(root).videos]


def test_the_same_seed_gives_the_same_files_for_any_number_of_workers(train_set: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    GeneratedFolder(again, PLAN).make(workers=2)
    assert contents(again) == contents(train_set)
    assert len([name for name in contents(again) if name.endswith(".mp4")]) == 2


def test_the_data_check_finds_no_error_in_either_half(train_set: Path, test_set: Path) -> None:
    train, test = check_dataset(train_set), check_dataset(test_set)
    assert train.errors == [] and test.errors == []
    assert train.totals.train_videos == 2 and train.totals.frames == 8
    assert test.totals.test_videos == 2 and any("no training half" in note for note in test.notes)


def test_a_test_set_has_a_ground_truth_that_the_metric_can_read(test_set: Path) -> None:
    ground_truth = read_ground_truth(test_set / GROUND_TRUTH)
    assert sorted(ground_truth.actions) == ["walk", "wave"] and ground_truth.warnings == ()
    assert set(ground_truth.frame_names) == {"img_00001.json", "img_00006.json"}


def test_boxes_are_in_the_picture_and_visible_joints_in_the_box(train_set: Path) -> None:
    people = 0
    for video in read_manifest(train_set).videos:
        width, height = video.size
        for frame in read_truth(truth_file(train_set, video.name)).frames:
            for person in frame.people:
                people += 1
                x1, y1, x2, y2 = person.box
                assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
                assert person.visible >= LEAST_VISIBLE and len(person.keypoints) == len(KEYPOINTS)
                seen = np.array([(x, y) for x, y, known in person.keypoints if known])
                assert (seen >= np.array([x1, y1]) - 3).all() and (seen <= np.array([x2, y2]) + 3).all()
    assert people >= 8


def test_annotations_have_every_visible_part_with_its_most_specific_true_state(train_set: Path) -> None:
    parts = 0
    for video in Dataset(train_set).train():
        truth = read_truth(truth_file(train_set, video.name))
        for frame in video.frames:
            true = {person.number: person for person in truth.frames[frame.index - 1].people}
            assert [person.number for person in frame.people] == list(true)
            for person in frame.people:
                assert set(person.parts) == set(true[person.number].states)
                x1, y1, x2, y2 = person.box
                for part in person.parts.values():
                    parts += 1
                    states = true[person.number].states[part.name]
                    assert part.verb in states and part.verb == verb_of(states)
                    assert x1 <= part.box[0] <= part.box[2] <= x2 and y1 <= part.box[1] <= part.box[3] <= y2
    assert parts > 40


def test_a_waving_person_has_a_waving_arm_and_a_walking_persons_legs_step(train_set: Path) -> None:
    checked = 0
    for _, truth in truths(train_set):
        for person in (person for frame in truth.frames for person in frame.people):
            arms = [states for part, states in person.states.items() if part.endswith("_arm")]
            legs = [states for part, states in person.states.items() if part.endswith("_leg")]
            if person.action == "wave" and len(arms) == 2:
                assert any("wave" in states for states in arms)
                assert person.relevant and any("arm" in part for part in person.relevant)
                checked += 1
            if person.action == "walk" and legs:
                assert all("step" in states for states in legs)
                checked += 1
    assert checked >= 4


def test_the_verb_of_a_part_is_its_most_specific_state() -> None:
    assert verb_of(("bend", "wave", "raise")) == "wave"
    assert verb_of(("stand", "unbend")) == "unbend"
    assert verb_of(("bend", "polish")) == "polish"
    assert verb_of(()) == "none" == VERB_ORDER[-1]


def test_a_video_has_the_number_size_and_rate_of_frames_in_the_manifest(train_set: Path) -> None:
    for video in read_manifest(train_set).videos:
        with av.open(str(video_file(train_set, "train", video.action, video.name))) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264" and stream.average_rate == pytest.approx(video.fps)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert len(frames) == video.frames == 4
        assert frames[0].shape == (video.size[1], video.size[0], 3) and frames[0].std() > 5


def test_a_written_video_decodes_to_its_pictures(tmp_path: Path) -> None:
    ramp = np.linspace(40, 200, 64, dtype=np.uint8)
    pictures = [np.repeat(np.roll(ramp, 8 * k)[None, :, None], 48, 0).repeat(3, 2) for k in range(6)]
    assert write_video(tmp_path / "deep" / "a.mp4", pictures, (64, 48), 12.5, 18) == 6
    with av.open(str(tmp_path / "deep" / "a.mp4")) as container:
        decoded = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
    assert max(np.abs(a - b).mean() for a, b in zip(decoded, pictures, strict=True)) < 6
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.mp4"]


@pytest.fixture(scope="module")
def walkers() -> list[np.ndarray]:
    """Return pictures of patches that move in front of noise, 28 macroblocks wide: not a multiple of 8."""
    rng = np.random.default_rng(4)
    behind = rng.integers(60, 120, (256, 448, 3), dtype=np.uint8)
    pictures = [behind + rng.integers(0, 9, behind.shape, dtype=np.uint8) for _ in range(24)]
    for number, picture in enumerate(pictures):
        for row in range(5):
            left = (90 * row + (4 + row) * number) % 400
            picture[40 * row + 20 : 40 * row + 60, left : left + 40] += np.uint8(100)
    return pictures


def test_the_same_pictures_give_the_same_file_for_any_memory_content(walkers: list[np.ndarray], tmp_path: Path) -> None:
    files: set[bytes] = set()
    for number in range(6):
        dirt = [np.full(40_013 * size + number, 37 * number + size, np.uint8) for size in range(1, 60)]
        del dirt[number % 2 :: 2]
        write_video(tmp_path / "a.mp4", walkers, (448, 256), 12.0, 20)
        files.add((tmp_path / "a.mp4").read_bytes())
    assert len(files) == 1


def test_the_same_pictures_give_the_same_file_with_and_without_the_encoders_assembly_code(
    walkers: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "fast.mp4", walkers, (448, 256), 12.0, 20)
    monkeypatch.setattr("training.synthetic.videos.video_file._REPEATABLE", f"{_REPEATABLE}:asm=0")
    write_video(tmp_path / "plain.mp4", walkers, (448, 256), 12.0, 20)
    assert (tmp_path / "fast.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()


def test_a_stopped_run_resumes_and_keeps_finished_videos(train_set: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    asked: list[int] = []

    def after_one() -> bool:
        asked.append(1)
        return len(asked) > 1

    first = GeneratedFolder(root, PLAN).make(stopped=after_one)
    assert [video.name for video in first.videos] == ["train-11-00000"] and check_dataset(root).clean
    kept = video_file(root, "train", "wave", "train-11-00000")
    written = kept.stat().st_mtime_ns
    (kept.parent / ".half.mp4.part").write_bytes(b"half")
    with pytest.raises(GenerateError, match="--resume continues"):
        GeneratedFolder(root, PLAN)
    GeneratedFolder(root, PLAN, resume=True).make()
    assert kept.stat().st_mtime_ns == written
    assert contents(root) == contents(train_set)


@pytest.mark.parametrize("lost", ["truth", "video"])
def test_a_video_with_a_missing_file_is_not_listed_and_is_made_again(
    lost: str, train_set: Path, tmp_path: Path
) -> None:
    root, name = tmp_path / "data", "train-11-00001"
    shutil.copytree(train_set, root)
    file = truth_file(root, name) if lost == "truth" else video_file(root, "train", "walk", name)
    file.unlink()
    stopped = GeneratedFolder(root, PLAN, resume=True).make(stopped=lambda: True)
    assert [video.name for video in stopped.videos] == ["train-11-00000"]
    GeneratedFolder(root, PLAN, resume=True).make()
    assert contents(root) == contents(train_set)


def test_a_folder_with_other_content_is_not_changed(train_set: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(GenerateError, match=r"already holds something else, such as thesis\.tex"):
        GeneratedFolder(tmp_path, PLAN, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    for other in (
        Plan("train", 2, 12, PLAN.actions, SMALL, frames=4),
        Plan("test", 2, 11, PLAN.actions, SMALL, frames=4),
        Plan("train", 2, 11, PLAN.actions, Settings(), frames=4),
    ):
        with pytest.raises(GenerateError, match="use the same"):
            GeneratedFolder(train_set, other, resume=True)


def test_an_invalid_plan_is_rejected_with_a_message() -> None:
    with pytest.raises(GenerateError, match="unknown actions fly; there are stand, walk"):
        Plan("train", 1, 1, ("walk", "fly"))
    with pytest.raises(GenerateError, match="seed -1"):
        Plan("train", 1, -1)
    with pytest.raises(GenerateError, match="at least one"):
        Plan("train", 0, 1)


def test_a_video_does_not_depend_on_the_number_of_videos() -> None:
    few, many = (Plan("train", count, 5, ("walk", "wave", "run")).orders(Path("x")) for count in (3, 9))
    assert many[:3] == few and len({order.name for order in many}) == 9


def test_the_contact_sheet_has_a_row_for_each_action(train_set: Path) -> None:
    from PIL import Image

    manifest: Manifest = read_manifest(train_set)
    path = save_sheet(train_set, manifest)
    picture = np.asarray(Image.open(path).convert("L"))
    path.unlink()
    rows = np.array_split(picture, 2)
    assert all(row[:, :200].std() > 5 for row in rows)


def test_the_code_hash_changes_with_code_and_not_with_prose_or_file_names(tmp_path: Path) -> None:
    source = tmp_path / "training" / "synthetic" / "rendering" / "light.py"
    source.parent.mkdir(parents=True)
    source.write_text("SUN = 1.0\n")
    first = code_hash(tmp_path)
    source.write_text("SUN = 1.1\n")
    second = code_hash(tmp_path)
    assert first != second and len(code_hash()) == 64
    source.write_text('"""The light of the sun."""\n\nimport math\n\nSUN =  1.1  # at noon\n"""Brightness."""\n')
    source.rename(source.with_name("lamp.py"))
    assert code_hash(tmp_path) == second


def test_the_code_hash_covers_every_module_that_decides_what_a_video_shows() -> None:
    assert all([*REPOSITORY.glob(pattern)] for pattern in SOURCES)
    hashed = {path for pattern in SOURCES for path in REPOSITORY.glob(pattern)}
    without_effect = {path for pattern in WITHOUT_EFFECT for path in REPOSITORY.glob(pattern)}
    imported = imported_files(making.__name__)
    assert len(imported) > 80
    assert sorted(imported - hashed - without_effect) == [], "add them to SOURCES if they change what a video shows"
    assert sorted(hashed & without_effect) == []


def test_a_set_of_other_code_is_not_resumed(train_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "code_hash", lambda: "1" * 64)
    with pytest.raises(GenerateError, match="another version of the code"):
        GeneratedFolder(train_set, PLAN, resume=True)
