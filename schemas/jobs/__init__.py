"""Jobs: payload models of their facts."""
