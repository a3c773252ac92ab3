"""petnet: GPU-accelerated deep radiomics for oncologic PET/CT.

Importing this package loads none of torch, MONAI, Lightning, pandas, SciPy, scikit-learn or CuPy.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
