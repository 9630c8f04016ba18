"""Cascade R-CNN: mmdet's networks, and the computations between them in batches of fixed size."""
