"""Readers of the original formats of public motion data sets and of your own recordings, for a data folder."""
