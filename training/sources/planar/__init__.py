"""What `training.sources.poses` is made of: 2-D clips in one measure, views, and states that are visible."""
