"""PostgreSQL: connections, named queries, and the engine's own tables."""
