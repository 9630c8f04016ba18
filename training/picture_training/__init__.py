"""Training of the detector and of the region extractor on single annotated frames."""
