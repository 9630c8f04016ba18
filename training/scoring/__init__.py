"""Scores of a checkpoint on a data folder: videos with labelled segments, and recorded motion."""
