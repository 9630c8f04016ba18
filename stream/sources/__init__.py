"""Camera sources: transports, decoding and clocks."""
