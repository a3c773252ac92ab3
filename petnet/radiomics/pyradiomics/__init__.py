"""PyRadiomics' names, definitions and parameter files, for who comes from there.

`FeatureSet(naming="pyradiomics", ...)`, or `read_parameters` of a PyRadiomics parameter file, gives
the columns and, within 1e-6, the numbers of PyRadiomics 3.0.1 (doi:10.1158/0008-5472.CAN-17-0339),
counted by petnet's kernels. `docs/pyradiomics.md` lists what differs from IBSI and what is refused.
"""

from petnet.radiomics.pyradiomics.extraction import compute, described, names
from petnet.radiomics.pyradiomics.parameters import read_parameters
from petnet.radiomics.pyradiomics.settings import PyRadiomicsSet

__all__ = ["PyRadiomicsSet", "compute", "described", "names", "read_parameters"]
