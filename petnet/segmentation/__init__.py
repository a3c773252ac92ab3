"""Delineating lesions by thresholds, gradients and regions: NumPy and SciPy only."""
