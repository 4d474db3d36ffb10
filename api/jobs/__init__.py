"""Read routes of the jobs surfaces: jobs, statistics, the live stream, sites, health."""
