"""The Kinetics-TPS data set on disk: reading, checking, writing, and the metric's ground truth.

    dataset = Dataset(Path("Kinetics-TPS"))
    for video in dataset.train():        # Video: name, action, path, facts, frames
        for frame in video.frames:       # AnnotatedFrame: index, people, objects
            ...

Read the files in this order: names, data_errors, lists, annotations, video_facts, layout, dataset; then
check, write, seen_labels and video_roles. docs/kinetics-tps.md shows the layout.
"""

from training.kinetics_tps.annotations import (
    AnnotatedFrame,
    AnnotatedObject,
    AnnotatedPart,
    AnnotatedPerson,
    Box,
)
from training.kinetics_tps.check import CheckReport, check_dataset
from training.kinetics_tps.data_errors import ErrorCode
from training.kinetics_tps.dataset import Dataset, DatasetError, Video
from training.kinetics_tps.lists import Lists
from training.kinetics_tps.names import video_file
from training.kinetics_tps.seen_labels import Seen
from training.kinetics_tps.video_facts import VideoFacts
from training.kinetics_tps.write import write_annotations, write_frame_list, write_ground_truth, write_lists

__all__ = [
    "AnnotatedFrame",
    "AnnotatedObject",
    "AnnotatedPart",
    "AnnotatedPerson",
    "Box",
    "CheckReport",
    "Dataset",
    "DatasetError",
    "ErrorCode",
    "Lists",
    "Seen",
    "Video",
    "VideoFacts",
    "check_dataset",
    "video_file",
    "write_annotations",
    "write_frame_list",
    "write_ground_truth",
    "write_lists",
]
