"""Settings of every process: small models, composed into one for each process in `processes`."""
