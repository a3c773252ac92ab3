"""Cross-validation, baselines, permutation and leak audit."""
