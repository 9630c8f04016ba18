"""`python -m training.extractor`."""

from training.extractor.command import extractor_app

extractor_app()
