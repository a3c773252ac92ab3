"""Pictologics in its own environment: see peer_protocol.

Called as its documentation shows: one pipeline with one configuration, images in memory, all
families of a configuration in one run. Its cache of compiled code is where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from peer_protocol import Feature, read_nifti, serve

#: petnet's families that are families of Pictologics' own.
FAMILIES = {"stat": "intensity", "morph": "morphology", "ih": "histogram", "ivh": "ivh"}
TEXTURE = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
#: Pictologics has the merged matrix over directions alone.
AGGREGATION = dict.fromkeys(TEXTURE, "3D") | {"glcm": "3D_comb", "glrlm": "3D_comb"}

_pipelines: dict[str, Any] = {}


def about() -> dict[str, Any]:
    """Tell version and threads."""
    import pictologics

    return {
        "name": "Pictologics",
        "version": pictologics.__version__,
        "threads": pictologics.get_num_threads(),
    }


def open_case(request: dict[str, Any]) -> dict[str, Any]:
    """Read image and mask, or label map, into memory."""
    array, spacing = read_nifti(request["image"], request.get("flip"))
    mask, _ = read_nifti(request["mask"], request.get("flip"))
    return {
        "image": array.astype("float64"),
        "mask": mask.astype("uint16" if request.get("labels") else "uint8"),
        "spacing": spacing,
        "labels": bool(request.get("labels")),
    }


def configuration(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps; the intensity-volume histogram takes the texture's bins where equal."""
    steps: list[dict[str, Any]] = []
    if settings.get("bins"):
        steps.append(
            {"step": "discretise", "params": {"method": "FBN", "n_bins": settings["bins"]}}
        )
    elif settings.get("bin_width"):
        binned = {"bin_width": settings["bin_width"], "min_val": settings["lower_bound"]}
        steps.append({"step": "discretise", "params": {"method": "FBS", **binned}})
    families = [FAMILIES[family] for family in settings["families"] if family in FAMILIES]
    if set(TEXTURE) <= set(settings["families"]):
        families.append("texture")
    else:
        families += [family for family in settings["families"] if family in TEXTURE]
    if "local" in settings["families"]:
        families.append("local_intensity")
    if "morph" in settings["families"] and settings["autocorrelation"]:
        families.append("spatial_intensity")
    params: dict[str, Any] = {"families": families}
    if settings["ivh_bins"] != settings.get("bins"):
        params["ivh_discretisation"] = {"method": "FBN", "n_bins": settings["ivh_bins"]}
    return [*steps, {"step": "extract_features", "params": params}]


def family_of(code: str) -> str:
    """Return petnet's family of a feature of Pictologics."""
    from pictologics.features import FEATURE_NAMES

    own = {
        "intensity": "stat",
        "histogram": "ih",
        "spatial_intensity": "morph",
        "local_intensity": "local",
        "morphology": "morph",
    }
    family = next(family for family, names in FEATURE_NAMES.items() if code in names)
    return own.get(family, family)


def common_form(values: dict[str, float]) -> list[Feature]:
    """Put Pictologics' names, which end in the code, into the common form."""
    features = []
    for name, value in values.items():
        family = family_of(name)
        features.append(
            {
                "name": name,
                "family": family,
                "code": name.rsplit("_", 1)[1],
                "aggregation": AGGREGATION.get(family),
                "value": float(value),
            }
        )
    return features


def run(cases: list[dict[str, Any]], settings: dict[str, Any]) -> list[Any]:
    """Compute every case; of a label map every label, in one call of `run_rois` or one by one."""
    import numpy as np
    from pictologics import Image

    pipeline = _pipeline(configuration(settings))
    results: list[Any] = []
    for case in cases:
        grid = (case["spacing"], (0.0, 0.0, 0.0), np.eye(3))
        # new views, so that nothing is remembered from one run to the next
        image, mask = (Image(case[name].view(), *grid) for name in ("image", "mask"))
        if case["labels"] and settings.get("each_label_alone"):
            found = [
                pipeline.run(image, Image((mask.array == label).view(np.uint8), *grid))["asked"]
                for label in range(1, int(mask.array.max()) + 1)
            ]
        elif case["labels"]:
            found = [one["asked"] for one in pipeline.run_rois(image, mask).values()]
        else:
            found = [pipeline.run(image, mask)["asked"]]
        results += [partial(common_form, dict(one)) for one in found]
    pipeline.clear_log()
    return results


def _pipeline(steps: list[dict[str, Any]]) -> Any:
    """Return a pipeline of one configuration, made once."""
    from pictologics import RadiomicsPipeline

    known = _pipelines.get(repr(steps))
    if known is None:
        known = RadiomicsPipeline(load_standard=False).add_config("asked", steps)
        _pipelines[repr(steps)] = known
    return known


if __name__ == "__main__":
    serve(about, open_case, run)
