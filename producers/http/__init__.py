"""Write routes of the HTTP surfaces: sessions in `sessions`, jobs in `job_events`."""
