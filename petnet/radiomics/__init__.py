"""IBSI radiomics: preprocessing, intensity, morphology and texture features, image filters.

What notebooks need is here, and is loaded when it is first asked for: importing this package loads
none of pandas, SciPy, Numba, CuPy or scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from petnet.radiomics.api import extract
    from petnet.radiomics.featureset import FeatureSet
    from petnet.radiomics.presets import feature_sets
    from petnet.radiomics.transformer import RadiomicsTransformer

__all__ = ["FeatureSet", "RadiomicsTransformer", "extract", "feature_sets"]

HOMES = {
    "FeatureSet": "featureset",
    "RadiomicsTransformer": "transformer",
    "extract": "api",
    "feature_sets": "presets",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
