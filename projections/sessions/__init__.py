"""The sessions read model: state, condition, timelines of events and metrics, state history."""
