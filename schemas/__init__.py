"""The contract: subjects, streams, payload models, positions and errors that every part agrees on.

Pure data: nothing here does I/O, reads a clock or knows a database.
"""
