"""The IBSI-1 tables of reference values and the phantoms that they are of."""

import csv
from functools import cache

import numpy as np

from petnet.volume import read_mask, read_volume

FAMILY_OF = {
    "Morphology": "morph",
    "Local intensity": "local",
    "Statistics": "stat",
    "Intensity histogram": "ih",
    "Intensity volume histogram": "ivh",
    "Co-occurrence matrix": "glcm",
    "Run length matrix": "glrlm",
    "Size zone matrix": "glszm",
    "Distance zone matrix": "gldzm",
    "Neighbourhood grey tone difference matrix": "ngtdm",
    "Neighbouring grey level dependence matrix": "ngldm",
}


@cache
def read_table(reference, config):
    """Rows of the digital phantom ("digital_phantom") or of a configuration ("config_A")."""
    path = reference / "ibsi1_reference_values" / f"ibsi_1_reference_values_{config}.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@cache
def phantom(reference, config):
    """Image, rounded to whole numbers as the configurations ask, and mask."""
    folder = "ibsi1_digital_phantom" if config == "digital_phantom" else "ibsi1_ct_phantom"
    image = read_volume(reference / folder / "image" / "phantom.nii.gz", "HU", "CT")
    mask = read_mask(reference / folder / "mask" / "mask.nii.gz")
    return image.with_array(np.rint(image.array)), mask
