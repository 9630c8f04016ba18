"""Finding people (and parts, and objects) in pictures."""
