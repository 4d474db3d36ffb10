"""Reactors: they act on facts by publishing facts; what they concluded is on the line."""
