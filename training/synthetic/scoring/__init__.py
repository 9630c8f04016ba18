"""Scoring checkpoints on generated test videos, whose truth is known in every frame.

Read in this order: answers (a model's answers on a video), judging (against the truth), then the figures of many
videos: settling, part_figures, detector_figures, benchmark, figures. detectors, watched_pipeline, runs and workers run
the models; known_videos, frozen_set and frozen_plan choose the videos.
docs/generated-data.md explains the figures.
"""
