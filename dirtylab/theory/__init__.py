"""Prediction: closed forms in NumPy and SciPy alone, apart from structures and measurement."""
