"""The line: NATS JetStream as every process meets it. Nothing in here knows a projection."""
