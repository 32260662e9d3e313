"""Diagnoses this machine: measures speed and memory, and checks kernels against the reference."""
