"""What every process needs: settings, connections, progress, telemetry and the metrics catalogue."""
