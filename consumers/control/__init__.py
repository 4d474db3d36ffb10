"""Operating projections: rebuild, verify, put back, pause, and the entities that are parked."""
