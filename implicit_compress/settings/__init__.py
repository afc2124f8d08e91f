"""Settings of methods and stages, and requests: declared once, used by every interface."""
