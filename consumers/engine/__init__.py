"""The engine: from leased partitions to committed rows."""
