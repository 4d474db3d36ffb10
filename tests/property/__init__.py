"""Whatever the input, its split and its order: the answer is that of tests/reference."""
