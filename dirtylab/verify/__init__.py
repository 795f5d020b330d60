"""Lockless protocols verified: every schedule of small cases, broken mutants, real threads."""
