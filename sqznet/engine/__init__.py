"""Runs a network: packed layers, a plan for each input size, and the pipeline for photos."""
