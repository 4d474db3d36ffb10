"""The engine's own tables: their DDL, and every query that touches them, one file a subject."""
