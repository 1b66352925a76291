"""What becomes of an index server when its upstream, its network, its disk or its own process fails. See README.rst in this folder."""
