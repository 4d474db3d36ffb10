"""The program: the command line, `foldline up` and its embedded servers, and the composition of the rest."""
