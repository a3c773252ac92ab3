"""The gate in words, against hand-made flags."""

import numpy as np
import pandas as pd

from petnet.radiomics.columns import columns
from petnet.radiomics.featureset import FeatureSet
from petnet.radiomics.gate import SEPARATOR, flag_notes

STAT = FeatureSet("a", "PT", ("stat", "morph"))
TEXTURE = FeatureSet("b", "PT", ("glcm", "ngtdm"), "fixed_bin_number", bins=8)
SETS = [STAT, TEXTURE]


def notes_of(*flagged):
    """Flag some columns in the first of two rows."""
    names = [name for one in SETS for name in columns(one)]
    table = pd.DataFrame(np.zeros((2, len(names)), dtype=bool), columns=names)
    table.loc[0, list(flagged)] = True
    first, second = flag_notes(table, SETS)
    assert second == []
    return first


def test_nothing_flagged_is_nothing_said():
    assert notes_of() == []


def test_each_family_is_named_once_with_the_largest_number_it_asks_for():
    assert notes_of("a__original_stat_intensity_variance") == ["a stat: fewer than 2 voxels"]
    several = [
        "a__original_stat_intensity_variance",
        "a__original_stat_10th_intensity_percentile",
        "a__original_stat_intensity_skewness",
        "a__original_morph_sphericity",
        "b__original_glcm_contrast_3D_avg",
        "b__original_glcm_contrast_3D_comb",
    ]
    assert notes_of(*several) == [
        "a stat: fewer than 10 voxels",
        "a morph: fewer than 8 voxels",
        "b glcm: fewer than 64 voxels or a single grey level",
    ]
    assert all(SEPARATOR not in note for note in notes_of(*several))
    assert notes_of("b__original_ngtdm_contrast_3D") == [
        "b ngtdm: fewer than 64 voxels or a single grey level"
    ]
