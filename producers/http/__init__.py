"""Write routes of the HTTP surfaces, one module a surface."""
