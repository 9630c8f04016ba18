"""What `training.sources.captures` is made of: bodies, arms and targets of captured people."""
