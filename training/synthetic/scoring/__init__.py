"""Scores checkpoints on generated test videos, of which everything is known: who is where in each frame, doing what.

Read in this order: answers (what a model said of a video), judging (against the truth), then what is made of many
videos: settling, part_figures, detector_figures, benchmark, figures. The shell that runs models: detectors,
watched_pipeline, runs, workers. Which videos: known_videos, frozen_set, frozen_plan. comparison sets checkpoints side
by side. docs/generated-test.md says what each figure means.
"""
