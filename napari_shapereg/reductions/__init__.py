"""Sums over all pairs of two point sets: kernels, engines, and their derivatives."""
