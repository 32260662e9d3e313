"""Runs a network: packed layers, a plan for each input size, and the way of a photo through it."""
