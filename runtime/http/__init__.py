"""HTTP: surfaces on their ports, errors in their envelopes, request bodies and headers."""
