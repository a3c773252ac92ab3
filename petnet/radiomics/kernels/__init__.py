"""Counting kernels: CUDA source files and their Numba twins."""
