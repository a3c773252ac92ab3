"""PyRadiomics in its own environment.

    python pyradiomics_runner.py IMAGE MASK [PARAMETERS.yaml] [--label N]

prints PyRadiomics' own dictionary of results as JSON: names and values as it gives them, its
diagnostics among them. Without arguments it holds the conversation of peer_protocol, with every
feature class on the unfiltered image, as fast as PyRadiomics goes: its C extensions on, grid kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from typing import Any

from peer_protocol import Feature, plain, read_nifti, serve

CLASSES = {
    "stat": "firstorder",
    "morph": "shape",
    "glcm": "glcm",
    "glrlm": "glrlm",
    "glszm": "glszm",
    "ngtdm": "ngtdm",
    "ngldm": "gldm",
}
#: Features that mean the same as IBSI's in settings that both know, by PyRadiomics' name. Others
#: differ by definition (kurtosis that is not in excess, axes of the population's covariance, bins
#: from the minimum on) or IBSI has them not.
SAME: dict[str, tuple[str, str | None]] = {
    "firstorder_Mean": ("Q4LE", None),
    "firstorder_Variance": ("ECT3", None),
    "firstorder_Skewness": ("KE2A", None),
    "firstorder_Median": ("Y12H", None),
    "firstorder_Minimum": ("1GSF", None),
    "firstorder_Maximum": ("84IY", None),
    "firstorder_Range": ("2OJQ", None),
    "firstorder_MeanAbsoluteDeviation": ("4FUA", None),
    "firstorder_Energy": ("N8CA", None),
    "firstorder_RootMeanSquared": ("5ZWQ", None),
    "shape_MeshVolume": ("RNU0", None),
    "shape_VoxelVolume": ("YEKZ", None),
    "shape_SurfaceArea": ("C0JK", None),
    "shape_SurfaceVolumeRatio": ("2PR5", None),
    "shape_Sphericity": ("QCFX", None),
    "shape_Maximum3DDiameter": ("L0JK", None),
    "shape_Elongation": ("Q3CK", None),
    "shape_Flatness": ("N17B", None),
    "glcm_JointAverage": ("60VM", "3D_avg"),
    "glcm_JointEntropy": ("TU9B", "3D_avg"),
    "glcm_JointEnergy": ("8ZQL", "3D_avg"),
    "glcm_MaximumProbability": ("GYBY", "3D_avg"),
    "glcm_Contrast": ("ACUI", "3D_avg"),
    "glcm_Correlation": ("NI2N", "3D_avg"),
    "glcm_Autocorrelation": ("QWB0", "3D_avg"),
    "glcm_ClusterShade": ("7NFM", "3D_avg"),
    "glcm_Id": ("IB1Z", "3D_avg"),
    "glcm_Imc1": ("R8DG", "3D_avg"),
    "glrlm_ShortRunEmphasis": ("22OV", "3D_avg"),
    "glrlm_LongRunEmphasis": ("W4KF", "3D_avg"),
    "glrlm_GrayLevelNonUniformity": ("R5YN", "3D_avg"),
    "glrlm_RunLengthNonUniformity": ("W92Y", "3D_avg"),
    "glrlm_RunPercentage": ("9ZK5", "3D_avg"),
    "glrlm_RunEntropy": ("HJ9O", "3D_avg"),
    "glszm_SmallAreaEmphasis": ("5QRC", "3D"),
    "glszm_LargeAreaEmphasis": ("48P8", "3D"),
    "glszm_SizeZoneNonUniformity": ("4JP3", "3D"),
    "glszm_ZonePercentage": ("P30P", "3D"),
    "glszm_ZoneEntropy": ("GU8N", "3D"),
    "ngtdm_Contrast": ("65HE", "3D"),
    "ngtdm_Busyness": ("NQ30", "3D"),
    "ngtdm_Complexity": ("HDEZ", "3D"),
    "gldm_SmallDependenceEmphasis": ("SODN", "3D"),
    "gldm_LargeDependenceEmphasis": ("IMOQ", "3D"),
    "gldm_DependenceEntropy": ("FCBV", "3D"),
}
FAMILIES = {name: family for family, name in CLASSES.items()}

_extractors: dict[str, Any] = {}


def about() -> dict[str, Any]:
    """Tell the version; PyRadiomics computes in one thread."""
    from importlib.metadata import metadata

    for name in ("pyradiomics", "pyradiomics-bhklab"):
        try:
            found = metadata(name)
        except ImportError:
            continue
        return {"name": "PyRadiomics", "version": found["Version"], "threads": 1}
    raise RuntimeError("PyRadiomics is not installed in this environment")


def open_case(request: dict[str, Any]) -> dict[str, Any]:
    """Read image and mask into memory as SimpleITK images."""
    import SimpleITK as sitk

    array, spacing = read_nifti(request["image"], request.get("flip"))
    mask, _ = read_nifti(request["mask"], request.get("flip"))
    image = sitk.GetImageFromArray(array.astype("float64").transpose(2, 1, 0))
    region = sitk.GetImageFromArray((mask != 0).astype("uint8").transpose(2, 1, 0))
    image.SetSpacing(spacing)
    region.SetSpacing(spacing)
    return {"image": image, "mask": region}


def extractor_of(settings: dict[str, Any]) -> Any:
    """Return an extractor of whole feature classes; made once for the same settings."""
    from radiomics import featureextractor, setVerbosity

    known = _extractors.get(repr(settings))
    if known is not None:
        return known
    setVerbosity(60)
    binned = (
        {"binCount": settings["bins"]}
        if settings.get("bins")
        else {"binWidth": settings["bin_width"]}
    )
    extractor = featureextractor.RadiomicsFeatureExtractor(
        **binned, label=1, additionalInfo=False, geometryTolerance=1e-3
    )
    extractor.disableAllFeatures()
    for family in settings["families"]:
        if family in CLASSES:
            extractor.enableFeatureClassByName(CLASSES[family])
    _extractors[repr(settings)] = extractor
    return extractor


def common_form(values: dict[str, Any]) -> list[Feature]:
    """Put the features that mean the same as IBSI's into the common form."""
    features = []
    for full_name, value in values.items():
        name = full_name.removeprefix("original_")
        if name in SAME:
            code, aggregation = SAME[name]
            features.append(
                {
                    "name": full_name,
                    "family": FAMILIES[name.split("_")[0]],
                    "code": code,
                    "aggregation": aggregation,
                    "value": float(value),
                }
            )
    return features


def run(cases: list[dict[str, Any]], settings: dict[str, Any]) -> list[Any]:
    """Compute every case."""
    extractor = extractor_of(settings)
    return [partial(common_form, extractor.execute(case["image"], case["mask"])) for case in cases]


def main() -> None:
    """Answer one image and mask on the command line, or hold the conversation."""
    if len(sys.argv) == 1:
        serve(about, open_case, run)
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("mask")
    parser.add_argument("parameters", nargs="?")
    parser.add_argument("--label", type=int)
    asked = parser.parse_args()
    from radiomics import featureextractor, setVerbosity

    setVerbosity(60)
    settings = (asked.parameters,) if asked.parameters else ()
    extractor = featureextractor.RadiomicsFeatureExtractor(*settings)
    results = extractor.execute(asked.image, asked.mask, label=asked.label)
    print(json.dumps(plain(dict(results))))


if __name__ == "__main__":
    main()
