"""Files that sqznet writes: each appears whole under its name, or not at all."""
