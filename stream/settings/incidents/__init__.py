"""Settings of kept alerts and events."""
