"""Lesion quantities (SUVmax, MTV, TLG) and the cohort feature table."""
