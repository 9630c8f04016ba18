"""`python -m training.detector`."""

from training.detector.command import detector_app

detector_app()
