"""The kinds of targets of notifications."""
