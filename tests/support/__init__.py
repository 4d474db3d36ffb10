"""Fixtures as pytest plugins, one module for each concern, and what they are made of."""
