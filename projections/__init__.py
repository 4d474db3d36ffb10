"""Read models: one folder each, with a pure fold, its tables and its queries."""
