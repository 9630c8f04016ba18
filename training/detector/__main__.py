"""`python -m training.detector`."""

from training.detector.detector_command import detector_app

detector_app()
