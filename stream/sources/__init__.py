"""Sources: transports, decoding and the reader."""
