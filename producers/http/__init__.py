"""Write routes of the HTTP surfaces."""
