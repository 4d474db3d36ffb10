"""The base of every process: settings, metrics, HTTP, PostgreSQL, tasks, and foreign internals."""
