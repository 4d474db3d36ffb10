"""What tests share: servers and processes, a line and its reference, waiting for conditions."""
