"""Views with sliders for JupyterLab and Voila."""
