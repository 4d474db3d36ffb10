"""PostgreSQL: connections, named SQL, and the engine's own tables."""
