"""Publishing: the one way out of our servers, in groups that are durable before they are acknowledged."""
