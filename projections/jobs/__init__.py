"""The jobs read model: states of jobs and subjobs, their events, statistics by hour."""
