"""The agent of a host: takes events at once, and keeps them while the line is away."""
