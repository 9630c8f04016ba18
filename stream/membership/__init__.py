"""An engine as a member of a fleet: it renews its lease with the coordinator and takes its cameras from it."""
