"""Read models, one folder each: a pure fold, its tables, its queries. Nothing in here knows NATS."""
