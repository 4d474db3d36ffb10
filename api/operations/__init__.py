"""Routes for operators, on every surface: health, lag, projections, rejected events."""
