"""The gate in words, against hand-made flags."""

import numpy as np
import pandas as pd

from petnet.radiomics import gate
from petnet.radiomics.columns import columns, provenance
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


def test_a_set_is_described_once_however_often_regions_of_it_are_flagged(monkeypatch):
    """Descriptions take longer than the features of a small lesion."""
    asked = []
    monkeypatch.setattr(gate, "provenance", lambda one: asked.append(one.name) or provenance(one))
    mine = FeatureSet("asked_once", "PT", ("stat",))
    flags = pd.DataFrame(np.ones((1, len(columns(mine))), dtype=bool), columns=columns(mine))
    assert [flag_notes(flags, [mine]) for _ in range(3)] == [
        [["asked_once stat: fewer than 10 voxels"]]
    ] * 3
    assert asked == ["asked_once"]
