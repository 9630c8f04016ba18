"""JPEGs of frames, for live pictures and for pictures of events."""
