"""Programs for those who work on the repository. Not part of the wheel."""
