"""Training on videos and the pipeline have the same inputs for the same frames; evaluation gives what is published."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from stages.checkpoint import Checkpoint
from stages.detection.detections import Detector
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, slot_format
from stages.heads.network import ActionNetwork, NetworkConfig, VisualInput
from stages.packaged_checkpoints import PAPER
from stages.people.people import BatchSteps
from stages.pipeline import Pipeline
from stages.profiles import load_checkpoint, load_detector
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_regions import REGION_OF_PART
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.step_scores import PersonInputs
from stages.third_party import weights
from stages.types import FrameAnalysis
from stages.vocabulary import packaged
from support.models.scripted_people import record_inputs
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import sequences, whole_tracks
from training.annotated_videos.region_sources import FeatureSource
from training.annotated_videos.sightings import read_roi, write_sightings
from training.annotated_videos.step_labels import Unknown, label_steps
from training.annotated_videos.watching import Watcher, WatchSettings
from training.run.validation.clip_evaluation import answer_clips, replayed_frames
from training.video.analysis import analyse_video

SIZE = (320, 192)
FRAMES, PER_SECOND, WINDOW = 26, 10, 12
POOLING = RoiConfig((8, 16), bins=2)


def write_video(path: Path, footage: Path, size: tuple[int, int], every: int) -> Path:
    """Write a video of every `every`-th frame."""
    with av.open(str(footage)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=PER_SECOND, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video=0), 0, every * FRAMES, every)):
            small = frame.reformat(*size, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, PER_SECOND)
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def network() -> ActionNetwork:
    torch.manual_seed(2)
    torch.set_num_threads(1)
    vocabulary = packaged("edge")
    config = NetworkConfig(
        visual=True,
        visual_features=POOLING.length(),
        visual_hidden=16,
        visual_strides=POOLING.strides,
        visual_bins=POOLING.bins,
        state_hidden=24,
        graph_hidden=24,
        action_width=24,
        object_regions=REGION_OF_PART,
    )
    made = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval().requires_grad_(False)
    made.set_visual_normalisation(torch.full((POOLING.length(),), 6.0), torch.full((POOLING.length(),), 2.0))
    return made


Inputs = dict[tuple[int, int], list[np.ndarray]]


def run_live(
    video: Path, detector: Detector, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[FrameAnalysis], Inputs]:
    """Return the pipeline's analysis of each frame, and its network's inputs for each step by track and time."""
    inputs_of: Inputs = {}

    def record(steps: BatchSteps, inputs: PersonInputs, visual: VisualInput | None) -> None:
        assert visual is not None
        for row, (person, step) in enumerate(zip(steps.people, steps.steps, strict=True)):
            tensors = (inputs.parts, inputs.context, inputs.present, visual.parts, visual.objects)
            inputs_of[person.key.track, step.media_us] = [tensor[row].numpy().copy() for tensor in tensors]

    record_inputs(monkeypatch, record)
    settings = PipelineSettings(model=ModelSettings(detection="full"), window=WindowSettings(steps=WINDOW))
    model = Pipeline(detector, checkpoint, settings)
    return [analysis for _, analysis in analyse_video(model, video)], inputs_of


def test_training_has_the_pipelines_inputs_and_evaluation_gives_its_published_results(
    network: ActionNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A woman walks by a man on a roof."""
    video = write_video(tmp_path / "walk.mp4", weights.locate("sports2d", "demo.mp4"), SIZE, 4)
    detector = KeypointDetector(MoveNet.load(), slot_format)
    seen, roi = Watcher(detector, WatchSettings(roi=POOLING)).watch(video)
    features = tmp_path / "walk.safetensors"
    write_sightings(features, "key", seen, roi)
    clip = Clip("walk", "walk", SIZE, seen, label_steps(seen, {}, packaged("edge"), Unknown()), features)
    published, live_inputs = run_live(video, detector, Checkpoint(network, "edge", False, "none"), monkeypatch)
    compared = 0
    for track in clip.tracks():
        own = np.arange(*track)
        # The whole track at once, so that features of earlier steps start at its beginning, as in the pipeline.
        whole = next(cut for cut, _ in whole_tracks(clip, 2 * FRAMES) if cut.steps[0] == track[0])
        tensors = sequences([whole], len(own))
        assert tensors.visual is not None and tensors.visual.known is not None and tensors.visual.known.all()
        inputs = (tensors.parts[0], tensors.context[0], tensors.present[0], *tensors.visual[:2])
        for at, row in enumerate(clip.rows[own]):
            expected = live_inputs.pop((int(clip.seen.track[row]), int(clip.seen.time_us[row])))
            for tensor, live in zip(inputs, expected, strict=True):
                # RoI features are stored as float16, with 11 bits.
                assert np.allclose(tensor[at].numpy(), live, rtol=1e-3, atol=1e-3)
            compared += 1
    assert compared > 30 and not live_inputs, "exactly the steps of the pipeline"

    replayed = dict(replayed_frames(network, clip, answer_clips(network, [clip], WINDOW)[0]))
    for number, expected in enumerate(published):
        again = replayed.get(number, FrameAnalysis())
        assert [person.track for person in again.people] == [person.track for person in expected.people]
        for one, other in zip(again.people, expected.people, strict=True):
            assert (one.box, one.score) == (other.box, other.score)
            assert one.action is not None and other.action is not None
            assert one.action.label == other.action.label
            assert abs(one.action.score - other.action.score) < 2e-3
            for part, same in zip(one.parts, other.parts, strict=True):
                assert (part.part, part.box) == (same.part, same.box)
                assert abs(part.relevance - same.relevance) < 2e-3
                assert [label for label, _ in part.states] == [label for label, _ in same.states]


def test_training_has_the_pipelines_inputs_also_with_a_detector_of_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    video = write_video(tmp_path / "street.mp4", weights.locate("vtest", "vtest.avi"), (768, 576), 1)
    checkpoint = load_checkpoint(PAPER)
    extractor = checkpoint.features
    assert extractor is not None
    monkeypatch.setattr(FeatureSource, "make", lambda self, device="cpu": extractor)
    source = FeatureSource(1, extractor.length, extractor.config.short_side)
    seen, roi = Watcher(load_detector(checkpoint), WatchSettings(vgg=source)).watch(video)
    write_sightings(tmp_path / "video.safetensors", "key", seen, roi)
    kept = read_roi(tmp_path / "video.safetensors", 0, len(seen.keypoints))
    published, live_inputs = run_live(video, load_detector(checkpoint), checkpoint, monkeypatch)
    assert seen.step.sum() >= FRAMES // 2
    for step, row in enumerate(np.flatnonzero(seen.step)):
        *_, present, parts, objects = live_inputs[int(seen.track[row]), int(seen.time_us[row])]
        assert (present == seen.present[row]).all()
        # Stored as float16, with 11 bits.
        assert np.allclose(kept.parts[step].float(), parts, rtol=1e-3, atol=1e-3)
        assert np.allclose(kept.objects[step].float(), objects, rtol=1e-3, atol=1e-3)
    for row in range(len(seen)):
        person = next(p for p in published[int(seen.frame[row])].people if p.track == seen.track[row])
        assert person.box == tuple(seen.box[row].tolist())
        assert len(person.parts) == seen.present[row].sum()
