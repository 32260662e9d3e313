"""Detection: boxes around people and animals."""
