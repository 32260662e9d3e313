"""Makes 8-bit integers of a float network: scales and biases from photos without labels."""
