"""The model: stages that analyse a batch of frames. `pipeline.py` has their order."""
