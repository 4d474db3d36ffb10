"""A second, plain implementation of the folds, independent of the one that is tested."""
