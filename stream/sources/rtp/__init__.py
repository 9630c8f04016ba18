"""RTP, for whoever receives it: from packets to whole pictures. Knows no sockets."""
