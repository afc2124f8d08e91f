"""Settings of all methods and of a request, declared once."""
