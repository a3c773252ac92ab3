"""PyRadiomics as an oracle: a made-up region, what was asked of PyRadiomics, and how to ask it.

`pyradiomics_3_0_1.csv` holds what PyRadiomics 3.0.1 (NumPy 1.26.4, SimpleITK 2.5.7, PyWavelets
1.8.0, Linux) gave for `made_up()` under SETTINGS. It is made anew by

    PETNET_PYRADIOMICS=/a/python/that/has/pyradiomics python tests/radiomics/pyradiomics_oracles.py
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

from petnet.radiomics.pyradiomics import compute, names, read_parameters
from petnet.volume import Volume

TABLE = Path(__file__).with_name("pyradiomics_3_0_1.csv")
RUNNER = Path(__file__).parents[2] / "scripts" / "peers" / "pyradiomics_runner.py"
SPACING_MM = (1.5, 2.0, 2.5)
CLASSES = ("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
WITHOUT_SHAPE = dict.fromkeys(CLASSES[1:])
#: Enough to see that the image is right; what features are made of it is tested elsewhere.
FEW = {
    "firstorder": ["Mean", "Entropy", "90Percentile", "Skewness"],
    "glcm": ["Contrast", "Imc1"],
    "glszm": ["ZoneEntropy"],
}
NOT_BY_DEFAULT = {
    "shape": ["Compactness1", "Compactness2", "SphericalDisproportion"],
    "firstorder": ["StandardDeviation"],
}
SETTINGS = {
    "width": {"setting": {"binWidth": 0.25}},
    "count": {"setting": {"binCount": 16}},
    "merged": {
        "featureClass": WITHOUT_SHAPE,
        "setting": {
            "binWidth": 0.5,
            "weightingNorm": "no_weighting",
            "gldm_a": 1,
            "voxelArrayShift": 3,
        },
    },
    "planes": {
        "featureClass": WITHOUT_SHAPE,
        "setting": {"binWidth": 0.5, "force2D": True, "force2Ddimension": 1},
    },
    "deprecated": {"featureClass": NOT_BY_DEFAULT, "setting": {"binWidth": 0.5}},
    "images": {
        "imageType": {
            "Square": {},
            "SquareRoot": {},
            "Logarithm": {},
            "Exponential": {},
            "Gradient": {},
            "LoG": {"sigma": [2.0, 3]},
            "Wavelet": {"wavelet": "db2", "level": 2},
        },
        "featureClass": FEW,
        "setting": {"binWidth": 0.5},
    },
    "cropped": {
        "imageType": {"LoG": {"sigma": [2.5], "binWidth": 0.125}, "Gradient": {}, "Wavelet": {}},
        "featureClass": FEW,
        "setting": {"binWidth": 0.5, "preCrop": True, "padDistance": 1},
    },
    "spline": {
        "featureClass": FEW | {"shape": ["MeshVolume", "Maximum2DDiameterRow"]},
        "setting": {"binWidth": 0.25, "resampledPixelSpacing": [1, 1, 1], "padDistance": 2},
    },
    "linear": {
        "featureClass": FEW | {"shape": ["MeshVolume"]},
        "setting": {
            "binWidth": 0.25,
            "resampledPixelSpacing": [2, 0, 1.7],
            "interpolator": "sitkLinear",
        },
    },
    "nearest": {
        "featureClass": FEW | {"shape": ["MeshVolume"]},
        "setting": {
            "binWidth": 0.25,
            "resampledPixelSpacing": [1, 1, 3],
            "interpolator": "sitkNearestNeighbor",
        },
    },
    "range": {
        "featureClass": FEW | {"shape": ["MeshVolume", "MajorAxisLength"]},
        "setting": {"binWidth": 0.25, "resegmentRange": [2, 4.5]},
    },
    "relative": {
        "featureClass": FEW | {"shape": ["MeshVolume"]},
        "setting": {
            "binWidth": 0.25,
            "resegmentRange": [0.41],
            "resegmentMode": "relative",
            "resegmentShape": True,
        },
    },
    "sigma": {
        "featureClass": FEW,
        "setting": {"binWidth": 0.25, "resegmentRange": [-1, 1.5], "resegmentMode": "sigma"},
    },
    "normalised": {
        "featureClass": FEW,
        "setting": {
            "binWidth": 5,
            "normalize": True,
            "normalizeScale": 100,
            "removeOutliers": 1.5,
        },
    },
}


def made_up():
    """Image and mask on 12×11×9 voxels without any randomness: two components, one with a hole."""
    x, y, z = np.indices((12, 11, 9))
    noise = (x * 37 + y * 17 + z * 53 + x * y * 11 + y * z * z * 7) % 101 / 101
    image = 3 + 2 * np.sin(x / 3) * np.cos(y / 4) - z / 4 + 1.5 * noise
    mask = (x - 4) ** 2 + (y - 5) ** 2 + 2 * (z - 4) ** 2 <= 18
    mask &= ~((x == 4) & (y == 5) & (z == 4))
    mask |= (x >= 9) & (x <= 10) & (y >= 2) & (y <= 4) & (z >= 1) & (z <= 3)
    return image.astype(np.float32), mask


def volumes(image, mask, spacing_mm=SPACING_MM, modality="PT"):
    """The pair as volumes; the third axis upright, and the mask of ones."""
    affine = np.diag([*spacing_mm, 1.0])
    unit = {"PT": "SUVbw", "CT": "HU"}[modality]
    return (
        Volume(np.asarray(image), affine, unit, modality),
        Volume(np.asarray(mask).astype(np.uint8), affine, "label", "MASK"),
    )


def ours(pairs, parameters, folder, modality="PT", integer_ct=True):
    """petnet's answers to a parameter file: a dict by PyRadiomics' name for each pair."""
    path = Path(folder) / "parameters.yaml"
    path.write_text(yaml.safe_dump(parameters))
    images, masks = zip(*pairs, strict=True)
    found = [{} for _ in pairs]
    for one in read_parameters(path, modality, "x", integer_ct):
        regions = [f"region {k}" for k in range(len(pairs))]
        values, _ = compute(images, masks, one, "cpu", regions)
        titles = [name.split("__", 1)[1] for name in names(one)]
        for row, result in zip(values, found, strict=True):
            result |= dict(zip(titles, row.tolist(), strict=True))
    return found


def theirs(image_path, mask_path, parameters, folder):
    """PyRadiomics' answers for two files; None where it refuses the region."""
    path = Path(folder) / "parameters.yaml"
    path.write_text(yaml.safe_dump(parameters))
    python = os.environ["PETNET_PYRADIOMICS"]
    command = [python, str(RUNNER), str(image_path), str(mask_path), str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        if "ValueError" in told.stderr:
            return None
        raise RuntimeError(told.stderr[-2000:])
    answers = json.loads(told.stdout.splitlines()[-1])
    return {name: v for name, v in answers.items() if not name.startswith("diagnostics")}


def write_pair(image, mask, folder, spacing_mm=SPACING_MM):
    """Write NIfTI files that PyRadiomics reads as the arrays they are; return their paths."""
    import nibabel as nib

    paths = Path(folder) / "image.nii", Path(folder) / "mask.nii"
    affine = np.diag([*spacing_mm, 1.0])
    nib.save(nib.Nifti1Image(image, affine), paths[0])
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), paths[1])
    return paths


def recorded():
    """Rows of the table: settings, name, value."""
    with TABLE.open(encoding="utf-8") as lines:
        return [(row[0], row[1], float(row[2])) for row in csv.reader(lines)]


def record():
    """Ask PyRadiomics and write the table."""
    with tempfile.TemporaryDirectory() as folder, TABLE.open("w", encoding="utf-8") as file:
        paths = write_pair(*made_up(), folder)
        for key, parameters in SETTINGS.items():
            for name, value in theirs(*paths, parameters, folder).items():
                file.write(f"{key},{name},{value!r}\n")


if __name__ == "__main__":
    sys.exit(record())
