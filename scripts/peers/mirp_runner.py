"""MIRP in its own environment: see peer_protocol."""

from __future__ import annotations

from functools import partial
from typing import Any

from peer_protocol import Feature, serve

FAMILIES = {
    "stat": "statistics",
    "morph": "morphology",
    "local": "local_intensity",
    "ih": "intensity_histogram",
    "ivh": "intensity_volume_histogram",
    "glcm": "glcm",
    "glrlm": "glrlm",
    "glszm": "glszm",
    "gldzm": "gldzm",
    "ngtdm": "ngtdm",
    "ngldm": "ngldm",
}
#: How MIRP's columns begin.
PREFIXES = {
    "stat": "stat",
    "morph": "morph",
    "loc": "local",
    "ih": "ih",
    "ivh": "ivh",
    "cm": "glcm",
    "rlm": "glrlm",
    "szm": "glszm",
    "dzm": "gldzm",
    "ngt": "ngtdm",
    "ngl": "ngldm",
}
SPATIAL = {"avg": "3d_average", "comb": "3d_volume_merge"}
AGGREGATIONS = {"_3d_avg": "3D_avg", "_3d_v_mrg": "3D_comb", "_3d": "3D"}
MODALITIES = {"PT": "pet", "CT": "ct"}


def about() -> dict[str, Any]:
    """Tell the version; MIRP computes in one thread."""
    from importlib.metadata import version

    return {"name": "MIRP", "version": version("mirp"), "threads": 1}


def open_case(request: dict[str, Any]) -> dict[str, Any]:
    """Keep the paths: arrays would come to MIRP without their spacing, so it reads files itself."""
    if request.get("flip"):
        raise ValueError("MIRP reads files as they are: flip must be empty")
    return {
        "image": str(request["image"]),
        "mask": str(request["mask"]),
        "image_modality": MODALITIES[request["modality"]],
    }


def arguments_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Return MIRP's keyword arguments: exact autocorrelation, and what IBSI gives no number for."""
    spatial = [SPATIAL[aggregation] for aggregation in settings["aggregations"]]
    arguments: dict[str, Any] = {
        "base_feature_families": [FAMILIES[family] for family in settings["families"]],
        "ibsi_compliant": False,
        "no_approximation": True,
        "ivh_discretisation_method": "fixed_bin_number",
        "ivh_discretisation_n_bins": settings["ivh_bins"],
        "glcm_spatial_method": spatial,
        "glrlm_spatial_method": spatial,
    }
    if settings.get("bins"):
        return arguments | {
            "base_discretisation_method": "fixed_bin_number",
            "base_discretisation_n_bins": settings["bins"],
        }
    return arguments | {
        "base_discretisation_method": "fixed_bin_size",
        "base_discretisation_bin_width": settings["bin_width"],
    }


def codes(arguments: dict[str, Any]) -> dict[str, str]:
    """Return the code of each of MIRP's columns."""
    from mirp._features.feature_generator import generate_features
    from mirp.settings.feature_parameters import FeatureExtractionSettingsClass

    found = {}
    for feature in generate_features(settings=FeatureExtractionSettingsClass(**arguments)):
        feature.create_table_name()
        found[feature.table_name] = feature.ibsi_id or ""
    return found


def common_form(table: Any, arguments: dict[str, Any]) -> list[Feature]:
    """Put MIRP's columns into the common form."""
    features = []
    for name, code in codes(arguments).items():
        family = PREFIXES[name.split("_")[0]]
        ending = next((part for part in AGGREGATIONS if f"{part}_fb" in name), None)
        features.append(
            {
                "name": name,
                "family": family,
                "code": code,
                "aggregation": AGGREGATIONS[ending] if ending else None,
                "value": float(table[name].iloc[0]),
            }
        )
    return features


def run(cases: list[dict[str, Any]], settings: dict[str, Any]) -> list[Any]:
    """Compute every case."""
    from mirp import extract_features

    arguments = arguments_of(settings)
    results = []
    for case in cases:
        (table,) = extract_features(**case, **arguments)
        results.append(partial(common_form, table, arguments))
    return results


if __name__ == "__main__":
    serve(about, open_case, run)
