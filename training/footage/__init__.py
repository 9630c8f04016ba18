"""Labelled real footage: labels, runs of a model, scores, and sheets of wrong answers."""
