"""Everything that puts facts on the line. Each process has one way out: `producers.publishing.publisher`."""
