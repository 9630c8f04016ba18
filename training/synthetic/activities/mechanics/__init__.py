"""Body mechanics for activities: contact with the floor, paths, single events."""
