"""Read routes of the jobs surface."""
