"""Describes SqueezeNets: layers, variants, and a float64 reference of each operation."""
