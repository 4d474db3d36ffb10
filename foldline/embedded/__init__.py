"""The real servers in one directory: what `foldline up` and the tests run."""
