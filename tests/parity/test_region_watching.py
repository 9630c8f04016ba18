"""With a trained region detector, training has the pipeline's inputs, and results do not depend on the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ring_buffers.frames import FrameMeta, Lease
from stages.heads.network import VisualInput
from stages.people.batch_steps import BatchSteps
from stages.pipeline import Pipeline
from stages.profiles import load_detector
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from stages.step_scores import PersonInputs
from support.models.drawn_people import SIZE, drawn_checkpoint, walking, write_film
from support.models.scripted_people import Spot, record_inputs, run
from training.annotated_videos.regions.feature_source import FeatureSource
from training.annotated_videos.sightings import read_roi, write_sightings
from training.annotated_videos.watching import Watcher, WatchSettings
from training.video.analysis import analyse_video

FRAMES = 14


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_training_has_the_pipelines_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_film(tmp_path / "video.mp4", FRAMES)
    checkpoint = drawn_checkpoint()
    extractor = checkpoint.features
    assert extractor is not None
    monkeypatch.setattr(FeatureSource, "make", lambda self, device="cpu": extractor)
    watcher = Watcher(load_detector(checkpoint), WatchSettings(vgg=FeatureSource(2, 16, 64)))
    seen, roi = watcher.watch(video)
    write_sightings(tmp_path / "video.safetensors", "key", seen, roi)
    kept = read_roi(tmp_path / "video.safetensors", 0, len(seen.keypoints))

    inputs_of: dict[tuple[int, int], list[np.ndarray]] = {}

    def record(steps: BatchSteps, inputs: PersonInputs, visual: VisualInput | None) -> None:
        assert visual is not None
        for row, (person, step) in enumerate(zip(steps.people, steps.steps, strict=True)):
            tensors = (inputs.present, visual.parts, visual.objects)
            inputs_of[person.key.track, step.media_us] = [tensor[row].numpy().copy() for tensor in tensors]

    record_inputs(monkeypatch, record)
    settings = PipelineSettings(model=ModelSettings(detection="full"))
    model = Pipeline(load_detector(checkpoint), checkpoint, settings)
    published = {frame.meta.frame: frame.analysis for frame in analyse_video(model, video)}
    steps = set(zip(seen.track.tolist(), seen.time_us.tolist()))
    inputs_of = {step: inputs for step, inputs in inputs_of.items() if step in steps}
    assert len(inputs_of) == seen.step.sum() >= 2 * FRAMES - 4
    for step, row in enumerate(np.flatnonzero(seen.step)):
        present, parts, objects = inputs_of[int(seen.track[row]), int(seen.time_us[row])]
        assert (present == seen.present[row]).all()
        # Stored as float16, with 11 bits.
        assert np.allclose(kept.parts[step].float(), parts, rtol=1e-3, atol=1e-3)
        assert np.allclose(kept.objects[step].float(), objects, rtol=1e-3, atol=1e-3)
    for row in range(len(seen)):
        person = next(p for p in published[int(seen.frame[row])].people if p.track == seen.track[row])
        assert person.box == tuple(seen.box[row].tolist())
        assert len(person.parts) == seen.present[row].sum() >= 8
    assert all([thing.label for thing in analysis.objects] == ["ball"] for analysis in published.values())


def test_single_frames_batches_and_frames_beside_another_cameras_give_the_same_results() -> None:
    pictures = list(walking(FRAMES))

    def lease(number: int, camera: str = "hall") -> Lease:
        format = model().slot_format(SIZE, None)
        meta = FrameMeta(camera, 1, number, number * 100_000, 0, "media", 0, 0, SIZE, format)
        return Lease(meta, pictures[number if camera == "hall" else FRAMES - 1 - number], 0)

    checkpoint = drawn_checkpoint()
    detector = load_detector(checkpoint)

    def model() -> Pipeline:
        return Pipeline(detector, checkpoint, PipelineSettings(window=WindowSettings(steps=8)))

    singly = run(model(), [[lease(n)] for n in range(FRAMES)])
    together = run(model(), [[lease(m) for m in range(n, min(n + 5, FRAMES))] for n in range(0, FRAMES, 5)])
    mixed = run(
        model(), [[lease(n, "yard"), lease(n), lease(n + 1, "yard"), lease(n + 1)] for n in range(0, FRAMES, 2)]
    )
    for n in range(FRAMES):
        expected = singly[Spot("hall", 1, n)]
        assert len(expected.people) == 2 and len(expected.objects) == 1
        for other in (together[Spot("hall", 1, n)], mixed[Spot("hall", 1, n)]):
            # The detector's convolutions add in an order that depends on the batch.
            assert [person.track for person in other.people] == [person.track for person in expected.people]
            for one, twin in zip(expected.people, other.people, strict=True):
                assert np.allclose(one.box, twin.box, atol=1e-2)
                assert [part.part for part in one.parts] == [part.part for part in twin.parts]
                assert one.action is not None and twin.action is not None
                assert one.action.label == twin.action.label
                assert abs(one.action.score - twin.action.score) <= 1e-4
            assert [thing.label for thing in other.objects] == [thing.label for thing in expected.objects]
