"""What `partstream doctor` looks at before, or while, an engine runs: each check is a function with findings."""
