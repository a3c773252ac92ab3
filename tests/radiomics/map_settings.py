"""Feature sets that the maps are tried on."""

from dataclasses import replace

from petnet.radiomics.extractor import FeatureSet

TEXTURE = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
BY_NUMBER = FeatureSet(
    "pt", "PT", ("stat", "ih", *TEXTURE), discretisation="fixed_bin_number", bins=8
)
BY_SIZE = replace(
    BY_NUMBER, discretisation="fixed_bin_size", bins=None, bin_width=0.5, lower_bound=0.0
)
