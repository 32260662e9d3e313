"""Writing files: a file appears complete under its name, or not at all."""
