"""Results over ZeroMQ: publishing, replay and reading."""
