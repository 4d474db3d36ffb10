"""Embedded servers: real NATS and PostgreSQL in one directory, run by `foldline up` and by tests."""
