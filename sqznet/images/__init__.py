"""Photos: found, decoded, turned upright, resized and normalized, as a network wants them."""
