"""The tests, one room for each kind: `make check` runs the quick ones, `make test` all but long fault runs.

unit         one function or class at a time; neither NATS nor PostgreSQL runs
property     Hypothesis: whatever the input, its split and its order, the answer is that of tests/reference
contract     the cases that every projection of the catalogue passes
integration  one part of the house on real servers, in this process or as a process of its own
acceptance   what the documents promise, through `foldline up` or a stack that runs already
faults       servers and consumers are killed under load: short runs, and long ones with `make test-faults`
reference    a second, plain implementation of the folds, independent of the one that is tested
support      fixtures as pytest plugins, one module for each concern, and what they are made of
"""
