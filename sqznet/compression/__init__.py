"""Makes small files: weights as integers of few bits, chosen with photos, and entropy-coded."""
