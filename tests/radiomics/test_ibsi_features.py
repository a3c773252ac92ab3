"""Every standardised IBSI-1 row through the extractor: a call per configuration, an id per row."""

import csv
from functools import cache

import pytest
from ibsi_tables import FAMILY_OF, phantom, read_table

from petnet.radiomics.catalogue import CATALOGUE, FAMILIES, features_of
from petnet.radiomics.columns import columns_of
from petnet.radiomics.extractor import FeatureSet, extract

PLANAR = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb")
SPATIAL = ("3D_avg", "3D_comb")
ISOTROPIC = {"spacing_mm": [2, 2, 2], "round_hu": True}
CONFIGURATIONS = {
    # the phantom's intensities are its levels: a bin of one from one
    "digital_phantom": {
        "discretisation": "fixed_bin_size",
        "bin_width": 1,
        "lower_bound": 1,
        "aggregations": (*PLANAR, *SPATIAL),
    },
    "config_A": {
        "discretisation": "fixed_bin_size",
        "bin_width": 25,
        "lower_bound": -500,
        "resegment_range": [-500, 400],
        "aggregations": PLANAR,
    },
    "config_B": {
        "discretisation": "fixed_bin_number",
        "bins": 32,
        "resegment_range": [-500, 400],
        "spacing_mm": [2, 2, None],
        "round_hu": True,
        "aggregations": PLANAR,
    },
    "config_C": {
        "discretisation": "fixed_bin_size",
        "bin_width": 25,
        "lower_bound": -1000,
        "resegment_range": [-1000, 400],
        "ivh_bin_width": 2.5,
        "aggregations": SPATIAL,
        **ISOTROPIC,
    },
    "config_D": {
        "discretisation": "fixed_bin_number",
        "bins": 32,
        "resegment_sigma": 3,
        "aggregations": SPATIAL,
        **ISOTROPIC,
    },
    "config_E": {
        "discretisation": "fixed_bin_number",
        "bins": 32,
        "interpolation": "cubic",
        "resegment_range": [-1000, 400],
        "resegment_sigma": 3,
        "ivh_bins": 1000,
        "aggregations": SPATIAL,
        **ISOTROPIC,
    },
}
SETS = {
    name: FeatureSet("ibsi", "CT", families=FAMILIES, **settings)
    for name, settings in CONFIGURATIONS.items()
}
AGGREGATION_OF = {
    "2D, averaged": "2D_avg",
    "2D, slice-merged": "2D_comb",
    "2.5D, direction-merged": "2_5D_avg",
    "2.5D, merged": "2_5D_comb",
    "3D, averaged": "3D_avg",
    "3D, merged": "3D_comb",
    "2D": "2D",
    "2.5D": "2_5D",
    "3D": "3D",
}
#: Rows that the tables leave empty, as no value is standardised.
NOT_STANDARDISED = {
    *("volume_density_ombb", "area_density_ombb", "volume_density_mvee", "area_density_mvee"),
    "area_under_the_ivh_curve",
}
COLUMNS = [
    (config, column)
    for config, feature_set in SETS.items()
    for column in columns_of(feature_set)
    if column.feature.name not in NOT_STANDARDISED
]


def rows_of_features(reference, config):
    """Yield (family, aggregation, rows): the tables list each family in the manual's order."""
    blocks = {}
    for row in read_table(reference, config):
        if not row["family"].startswith("Diagnostics"):
            blocks.setdefault(row["family"], []).append(row)
    for title, rows in blocks.items():
        name, _, bracket = title.partition(" (")
        yield FAMILY_OF[name], AGGREGATION_OF[bracket.rstrip(")")] if bracket else None, rows


@cache
def computed(reference, config):
    return extract(*phantom(reference, config), SETS[config], device="cpu")


@cache
def expected(reference, config):
    """Name in the table, value and tolerance by family, name and aggregation of ours."""
    return {
        (family, feature.name, aggregation): (
            row["feature"],
            row["reference value"],
            row["tolerance"],
        )
        for family, aggregation, rows in rows_of_features(reference, config)
        for feature, row in zip(features_of(family), rows, strict=True)
    }


def within(value, reference_value, tolerance):
    """Apply the pass rule: three significant digits, then the tolerance."""
    return abs(float(f"{value:.3g}") - reference_value) <= tolerance + 1e-9 * abs(reference_value)


@pytest.mark.parametrize(
    ("config", "column"), COLUMNS, ids=[f"{c}-{k.name.split('__')[1]}" for c, k in COLUMNS]
)
def test_ibsi_value(reference, config, column):
    key = column.feature.family, column.feature.name, column.aggregation
    _, reference_value, tolerance = expected(reference, config)[key]
    value = computed(reference, config)[column.name]
    assert within(value, float(reference_value), float(tolerance)), (value, reference_value)


def test_ibsi_rows_are_all_of_the_tables(reference):
    """1,804 standardised features; the other 300 of 2,104 rows are diagnostics."""
    assert len(COLUMNS) == 1804
    for config in SETS:
        ours = {
            (k.feature.family, k.feature.name, k.aggregation) for c, k in COLUMNS if c == config
        }
        assert ours == {key for key, row in expected(reference, config).items() if row[1]}


def words(name):
    plain = name.lower().replace("(", "").replace(")", "").replace("_", " ").replace("%", "")
    return set(plain.replace("'", "").split())


def test_ibsi_rows_are_laid_to_the_features_they_name(reference):
    """By their order; the names tell when that is off: at least half of the words are ours."""
    for config in SETS:
        for (_, name, _), (title, _, _) in expected(reference, config).items():
            common = words(name) & words(title)
            assert 2 * len(common) >= len(words(title)), (name, title)


def test_ibsi_codes_are_those_of_the_manual(reference):
    path = reference / "ibsi1_reference_values" / "ibsi_codes_from_ibsi_doc.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        headings = {}
        for row in csv.DictReader(stream):
            headings.setdefault(row["code"], set()).update(words(heading(row["heading"])))
    for feature in CATALOGUE:
        if feature.code in MISSING_CODES:
            continue
        common = words(feature.name) & headings[feature.code]
        assert 2 * len(common) >= len(words(feature.name)), (feature, headings[feature.code])


def heading(text):
    """Plain words of a heading of the manual, shapes abbreviated."""
    for long, short in {
        "axis-aligned bounding box": "aabb",
        "oriented minimum bounding box": "ombb",
        "approximate enclosing ellipsoid": "aee",
        "minimum volume enclosing ellipsoid": "mvee",
        "Intensity-based": "intensity",
        r"\ :sup:`th`": "th",
        " th ": "th ",
        "\u2019": "'",
    }.items():
        text = text.replace(long, short)
    return text


# Absent from the reference's list, or swapped in it (10th and 90th percentile of the histogram);
# as in the manual, arXiv:1612.07003.
MISSING_CODES = {"5QRC", "OZ0C", "GPMT"}
