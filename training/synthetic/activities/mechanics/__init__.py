"""Body mechanics for activities: contact with the floor, planted feet, paths, single events."""
