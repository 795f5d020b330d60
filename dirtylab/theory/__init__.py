"""Prediction: closed forms in NumPy alone, apart from structures and measurement."""
