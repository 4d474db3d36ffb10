"""HTTP: surfaces on their ports, errors in their envelopes, bodies and headers."""
