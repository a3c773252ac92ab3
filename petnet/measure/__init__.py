"""Lesion quantities (uptake, volume, size, ratio to a reference) and the cohort feature table."""
