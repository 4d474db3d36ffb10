"""The insides of other libraries that this project uses. Each module has a test that fails when they move."""
