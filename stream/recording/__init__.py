"""Event clips: the seconds around chosen actions, kept as MP4 with their results beside them (docs/recording.md)."""
