"""Read routes of the sessions surface."""
