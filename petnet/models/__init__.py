"""Models behind one protocol: fit, predict, save, load."""
