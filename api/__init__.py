"""The query API: routers that read. It has no SQL of its own and writes nothing."""
