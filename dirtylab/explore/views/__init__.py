"""One module for each view, and what the views share."""
