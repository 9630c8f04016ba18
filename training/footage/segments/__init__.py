"""Scores on films whose frames are labelled, with one labelled person and without boxes: accuracy, falls, delays."""
