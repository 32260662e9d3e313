"""Writing files, each of which appears complete under its name or not at all, and downloads."""
