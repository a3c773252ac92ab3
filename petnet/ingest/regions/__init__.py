"""Delineated regions, put on the grid of an image: contours, segmentations, masks."""
