"""Regions in pictures: the detector and the feature extractor of a training run."""
