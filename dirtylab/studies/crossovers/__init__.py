"""Where every two structures cost the same: recorded, judged, reported, drawn."""
