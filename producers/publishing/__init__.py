"""Publishing: the one way out of our servers, in groups that are stored before they are acknowledged."""
