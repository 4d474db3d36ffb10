"""The jobs read model: rollups of jobs and subjobs, their events, statistics by hour."""
