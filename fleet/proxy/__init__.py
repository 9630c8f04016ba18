"""The proxy: all cameras of a fleet on one endpoint, for clients that do not follow the directory."""
