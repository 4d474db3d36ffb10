"""Everything that follows the line: catch-up, leases, projector, reactors."""
