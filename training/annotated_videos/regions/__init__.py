"""Pictures and regions of annotated videos, for features that are tuned."""
