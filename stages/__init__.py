"""What happens to one batch of frames, one file a stage; `pipeline.py` has their order."""
