"""IBSI-1: texture formulas on the counts of brute force, and the embedded consensus, row by row."""

import csv
from functools import cache
from importlib.resources import files
from typing import get_args

import numpy as np
import pytest
from count_oracles import FAMILIES, brute_force
from ibsi_tables import FAMILY_OF, read_table

from petnet.radiomics.catalogue import TEXTURE_FAMILIES, features_of
from petnet.radiomics.kernels.counts import Request
from petnet.radiomics.selftest import digital_phantom
from petnet.radiomics.texture import Aggregation, texture_features

SUFFIXES = (*get_args(Aggregation), "2_5D", "2D", "3D")


def embedded():
    path = files("petnet.radiomics").joinpath("ibsi_digital_phantom.csv")
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


ROWS = [row for row in embedded() if row["family"] in TEXTURE_FAMILIES]


def aggregation_of(tag):
    # "2_5D" before "5D" and so before "2D": the longest ending that fits
    return max((name for name in SUFFIXES if tag.endswith(f"_{name}")), key=len)


def words(name):
    """Words in their order; the table leaves "zone" out of some names."""
    return [word for word in name.lower().replace("-", "_").replace(" ", "_").split("_") if word]


@cache
def published(reference):
    """Standardised rows as (family, aggregation, words of the feature, value, tolerance)."""
    rows = [row for row in read_table(reference, "digital_phantom") if row["reference value"]]
    found = []
    for row in rows:
        family = FAMILY_OF[row["family"].split(" (")[0]]
        texture = family in TEXTURE_FAMILIES
        aggregation = aggregation_of(row["tag"]) if texture else ""
        value = float(row["reference value"]), float(row["tolerance"] or 0)
        found.append((family, aggregation, words(row["feature"]), *value))
    return found


@cache
def computed():
    image, mask = digital_phantom()
    levels = np.where(mask.array, np.rint(image.array), 0).astype(np.int32)
    counts = brute_force(levels, mask.array, Request(FAMILIES, True, True, True, 6))
    sizes = np.array([6]), np.array([0, levels.shape[2]])
    return texture_features(counts, *sizes, get_args(Aggregation), sorted(TEXTURE_FAMILIES))


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['family']}-{row['name']}-{row['aggregation']}"
)
def test_ibsi_texture_value(row):
    value = computed()[row["family"], row["name"], row["aggregation"]].item()
    expected = float(row["value"])
    slack = float(row["tolerance"]) + 1e-9 * abs(expected)
    assert abs(float(f"{value:.3g}") - expected) <= slack, (value, expected)


def test_ibsi_consensus_is_complete():
    assert len(embedded()) == 482
    assert {(row["family"], row["name"], row["aggregation"]) for row in ROWS} == set(computed())


def test_ibsi_embedded_texture_rows_are_the_published_ones(reference):
    def bare(name):
        return tuple(word for word in words(name) if word != "zone")

    ours = {
        (row["family"], row["aggregation"], bare(row["name"])): (
            float(row["value"]),
            float(row["tolerance"]),
        )
        for row in ROWS
    }
    theirs = {
        (family, aggregation, bare("_".join(name))): numbers
        for family, aggregation, name, *numbers in published(reference)
        if family in TEXTURE_FAMILIES
    }
    assert len(theirs) == len(ROWS) == 408
    assert ours == {key: tuple(numbers) for key, numbers in theirs.items()}


@pytest.mark.parametrize("family", ["stat", "morph", "local", "ih", "ivh"])
def test_ibsi_embedded_rows_are_the_published_ones_in_their_order(reference, family):
    """The catalogue lists these families as the table does."""
    rows = [row for row in embedded() if row["family"] == family]
    order = [feature.name for feature in features_of(family)]
    assert [row["name"] for row in rows] == [n for n in order if n in {r["name"] for r in rows}]
    ours = [(float(row["value"]), float(row["tolerance"])) for row in rows]
    theirs = [tuple(numbers) for name, _, _, *numbers in published(reference) if name == family]
    assert ours == theirs
