"""Real migrations beside those expected: costs fitted to them, and how right the model is."""
