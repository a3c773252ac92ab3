"""Texture features from integer counts: one set of formulas for NumPy and CuPy, batched.

The functions divide what the kernels counted. They are written against the array namespace, take
any number of regions at once and work on whatever device the counts lie.
"""

from petnet.radiomics.texture.aggregate import (
    Aggregation,
    Column,
    aggregations_of,
    texture_features,
    texture_table,
)

__all__ = [
    "Aggregation",
    "Column",
    "aggregations_of",
    "texture_features",
    "texture_table",
]
