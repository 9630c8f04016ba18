"""Training from a folder of annotated videos, through the real detector."""
