"""`python -m training.extractor`."""

from training.extractor.extractor_command import extractor_app

extractor_app()
