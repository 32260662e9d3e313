"""Photos: finding, decoding, orienting, resizing and normalizing them for a network."""
