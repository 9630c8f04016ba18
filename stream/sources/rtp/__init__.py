"""RTP reception: from packets to complete access units, without sockets."""
