"""The contract that every part agrees on: subjects, streams, bodies of facts, positions and errors.

Nothing here does I/O, reads a clock or knows a database.
"""
