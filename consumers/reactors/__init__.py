"""Reactors: they act on facts by publishing facts, so that whatever they conclude is on the line."""
