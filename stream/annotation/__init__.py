"""Drawing results on video."""
