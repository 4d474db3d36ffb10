"""Ways onto the line: write routes, sidecar, client. Our servers publish through `producers.publishing`."""
