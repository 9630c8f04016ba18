"""From a camera to a published result."""
