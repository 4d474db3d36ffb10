"""The cases that every projection of the catalogue passes."""
