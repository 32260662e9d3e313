"""Detection: boxes around the things on a photo, and what becomes of them."""
