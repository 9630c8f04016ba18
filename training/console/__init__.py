"""Progress bars and stopping of long runs."""
