"""IBSI-2 phase 2: 18 statistics of the filtered CT phantom, one test id per row."""

import csv
import json
from functools import cache

import pytest
from ibsi2_settings import filter_of

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.filters import apply_filter
from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.preprocess import resample_whole, resegment
from petnet.volume import read_mask, read_volume

#: The table's tags, in the order of the catalogue.
TAGS = ["mean", "var", "skew", "kurt", "median", "min", "p10", "p90", "max"]
TAGS += ["iqr", "range", "mad", "rmad", "medad", "cov", "qcod", "energy", "rms"]
NAMES = dict(zip(TAGS, (feature.name for feature in features_of("stat")), strict=True))
FILTERS = [f"{number}.{configuration}" for configuration in "AB" for number in range(1, 10)]
NO_CONSENSUS = {("8.B", "qcod")}
PROCESSING = {
    "A": {},
    "B": {"spacing_mm": (1, 1, 1), "interpolation": "cubic", "round_hu": True},
}


@cache
def settings(reference):
    text = (reference / "ibsi2_reference" / "filters.json").read_text("utf-8")
    return {entry["id"]: entry for entry in json.loads(text)["phase_2"]}


@cache
def expected(reference):
    with (reference / "ibsi2_reference" / "reference_values.csv").open(newline="") as stream:
        return {
            (row["filter_id"], row["feature_tag"].removeprefix("stat_")): (
                (float(row["consensus_value"]), float(row["tolerance"]))
                if row["consensus_value"]
                else None
            )
            for row in csv.DictReader(stream, delimiter=";")
        }


@cache
def phantom(reference, configuration):
    """Resample the whole image, round it, and re-segment before anything is filtered."""
    folder = reference / "ibsi1_ct_phantom"
    image = read_volume(folder / "image" / "phantom.nii.gz", "HU", "CT")
    mask = read_mask(folder / "mask" / "mask.nii.gz")
    region = resample_whole(image, mask, **PROCESSING[configuration])
    return resegment(region, (-1000, 400))


@cache
def computed(reference, filter_id):
    region = phantom(reference, filter_id[-1])
    filter_ = filter_of(settings(reference)[filter_id])
    response = region.values
    if filter_ is not None:
        response = apply_filter(region.values, region.spacing_mm, filter_)
    return intensity_statistics(response[region.intensity])


ROWS = [
    (filter_id, tag)
    for filter_id in FILTERS
    for tag in TAGS
    if (filter_id, tag) not in NO_CONSENSUS
]


@pytest.mark.parametrize(("filter_id", "tag"), ROWS, ids=["-".join(row) for row in ROWS])
def test_ibsi_value(reference, filter_id, tag):
    value = computed(reference, filter_id)[NAMES[tag]]
    consensus, tolerance = expected(reference)[filter_id, tag]
    rounded = float(f"{value:.3g}")
    assert abs(rounded - consensus) <= tolerance + 1e-9 * abs(consensus)


def test_every_row_of_the_table_is_tested(reference):
    assert len(ROWS) == 323
    assert set(ROWS) == {row for row, found in expected(reference).items() if found is not None}
