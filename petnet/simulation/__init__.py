"""Simulated PET/CT cohorts with known truth."""
