"""The common part of all read routes: database access, parameters, positions, answers, checks."""
