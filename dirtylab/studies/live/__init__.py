"""Real harvests and recordings of real programs: recorded, judged, reported, drawn."""
