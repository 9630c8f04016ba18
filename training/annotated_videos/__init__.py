"""Training data from a folder of annotated videos, seen by the detector that runs live."""
