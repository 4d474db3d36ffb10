"""Read routes of the sessions surface: one session, time travel, export, time series."""
