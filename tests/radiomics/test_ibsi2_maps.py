"""IBSI-2 phase 1: response maps of the digital phantoms, one test id per map."""

import json

import numpy as np
import pytest
from ibsi2_settings import filter_of

from petnet.radiomics.filters import apply_filter
from petnet.volume import read_volume

# fmt: off
MAPS = [
    "1_a_1", "1_a_2", "1_a_3", "1_a_4", "1_b_1",  # mean
    "2_a", "2_b", "2_c",  # Laplacian of Gaussian
    "3_a_1", "3_a_2", "3_a_3", "3_b_1", "3_b_2", "3_b_3", "3_c_1", "3_c_2", "3_c_3",  # Laws
    "4_a_1", "4_a_2", "4_b_1", "4_b_2",  # Gabor
    "5_a_1", "5_a_2",  # Daubechies
    "6_a_1", "6_a_2",  # Coiflet
    "7_a_1", "7_a_2",  # Haar
    "8_a_1", "8_a_2", "8_a_3",  # Simoncelli
    "9_a", "9_b_1",  # Riesz of LoG
    "10_b_1",  # Riesz of Simoncelli
]
# fmt: on
#: Largest deviation that is ours, in parts of the map's range; IBSI allows 0.01 for all. The rest
#: reach single precision, in which the maps are stored.
OURS = {
    "1_a_3": 5e-5,  # the reference itself is off here: its mean of a periodic image is not exact
    "2_a": 2e-5,
    "2_b": 4e-4,
    "2_c": 3e-4,
    "4_b_1": 2e-4,
    "4_b_2": 1e-3,
    "8_a_1": 4e-3,
    "9_a": 1e-3,
    "9_b_1": 4e-3,
    "10_b_1": 2e-3,
}


@pytest.fixture(scope="module")
def settings(reference):
    text = (reference / "ibsi2_reference" / "filters.json").read_text("utf-8")
    return {entry["id"]: entry for entry in json.loads(text)["phase_1"]}


@pytest.mark.parametrize("map_id", MAPS)
def test_ibsi_response_map(reference, settings, map_id):
    entry = settings[map_id]
    phantom = reference / "ibsi2_digital_phantoms" / entry["phantom"] / "image"
    image = read_volume(phantom / f"{entry['phantom']}.nii.gz", "HU", "CT")
    consensus = read_volume(reference / "ibsi2_reference" / entry["file"], "HU", "CT").array
    response = apply_filter(image.array.astype(float), image.spacing_mm, filter_of(entry))
    deviation = np.abs(response - consensus).max() / np.ptp(consensus)
    assert deviation <= OURS.get(map_id, 2e-7)


def test_every_map_is_tested(settings):
    assert set(MAPS) == set(settings)
    assert len(MAPS) == 33
