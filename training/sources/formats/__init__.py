"""Readers of the original formats of public motion data sets and of one's own recordings, for a data folder."""
