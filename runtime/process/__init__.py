"""The life of a process: logs, tasks, start and end, telemetry."""
