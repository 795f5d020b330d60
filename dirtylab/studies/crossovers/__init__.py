"""The crossover study: where every two structures cost the same."""
