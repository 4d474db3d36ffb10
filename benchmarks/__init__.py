"""`make bench`: what the engine does, as a share of what this machine and the two servers can do at most."""
