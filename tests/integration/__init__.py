"""One part of the house on real servers, in this process or as a process of its own."""
