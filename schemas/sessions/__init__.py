"""Sessions: payload models of their facts, and the documents that are read."""
