"""Settings of what the pictures of cameras show."""
