"""Progress and stopping of long runs in a terminal."""
