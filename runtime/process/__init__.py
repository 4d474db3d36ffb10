"""What a process needs for itself: logs, tasks, start and end, telemetry."""
