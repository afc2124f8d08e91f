"""Interactive widgets for JupyterLab."""
