"""Sessions: deep-merged state, condition, timelines of events, metrics and patches."""
