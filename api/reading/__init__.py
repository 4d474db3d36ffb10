"""What all read routes share: connections, parameters, positions, formats."""
