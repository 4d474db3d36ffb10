"""One function or class at a time; neither NATS nor PostgreSQL runs."""
