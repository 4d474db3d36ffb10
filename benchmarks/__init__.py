"""`make bench`: what the engine does, as a share of what the machine and the two servers could do at most."""
