"""What this machine does: measured times, and a check of the kernels against the reference."""
