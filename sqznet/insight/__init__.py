"""What a network sees: vectors, heat maps, explanations, and how often it is right."""
