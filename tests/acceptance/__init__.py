"""What the documents promise, through `foldline up` or a stack that runs already."""
