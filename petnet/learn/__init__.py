"""Fit/transform steps that belong inside a fold."""
