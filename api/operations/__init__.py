"""Routes for operators: health, lag, projections, rejected events."""
