"""What we take from the insides of other libraries: each has a test that fails when upstream moves."""
