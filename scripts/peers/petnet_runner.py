"""petnet in the conversation of its peers: see peer_protocol. Cases are computed in one batch."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peer_protocol import Feature, serve

from petnet.radiomics.extractor import FeatureSet, extract_batch, provenance
from petnet.volume import Volume, read_mask, read_stored, read_volume

AGGREGATIONS = {"avg": "3D_avg", "comb": "3D_comb", "2D_avg": "2D_avg", "2D_comb": "2D_comb"}
AGGREGATIONS |= {"2_5D_avg": "2_5D_avg", "2_5D_comb": "2_5D_comb"}
UNITS = {"PT": "SUVbw", "CT": "HU"}


def about() -> dict[str, Any]:
    """Tell version, threads and device."""
    import petnet
    from petnet.radiomics.kernels.dispatch import resolve_device

    device = resolve_device(os.environ.get("PETNET_BENCH_DEVICE", "auto"))
    found = {
        "name": "petnet",
        "version": petnet.__version__,
        "threads": len(os.sched_getaffinity(0)),
    }
    return found | {"device": str(device)}


def open_case(request: dict[str, Any]) -> dict[str, Any]:
    """Read image and mask, or every label of a label map, into memory."""
    modality = request["modality"]
    image = read_volume(Path(request["image"]), unit=UNITS[modality], modality=modality)
    mask = _read_mask(request)
    if request.get("flip"):
        image, mask = (
            one.with_array(np.ascontiguousarray(np.flip(one.array, request["flip"])))
            for one in (image, mask)
        )
    return {"image": image, "mask": mask, "labels": bool(request.get("labels"))}


def _read_mask(request: dict[str, Any]) -> Volume:
    """Read a mask, or a label map with its labels."""
    path = Path(request["mask"])
    if not request.get("labels"):
        return read_mask(path)
    stored = read_stored(path)
    return Volume(stored.array, stored.affine, "label", "MASK")


def feature_set(settings: dict[str, Any], modality: str) -> FeatureSet:
    """Return the feature set of the common settings."""
    binned: dict[str, Any] = {"discretisation": "none"}
    if settings.get("bins"):
        binned = {"discretisation": "fixed_bin_number", "bins": settings["bins"]}
    elif settings.get("bin_width"):
        binned = {
            "discretisation": "fixed_bin_size",
            "bin_width": settings["bin_width"],
            "lower_bound": settings["lower_bound"],
        }
    return FeatureSet(
        name="peers",
        modality=modality,
        families=tuple(settings["families"]),
        aggregations=tuple(AGGREGATIONS[name] for name in settings["aggregations"]),
        ivh_bins=settings["ivh_bins"],
        autocorrelation=settings["autocorrelation"],
        **binned,
    )


def common_form(table: Any, row: int, wanted: FeatureSet) -> list[Feature]:
    """Put a row of the table into the common form."""
    origins = provenance(wanted)["columns"]
    return [
        {
            "name": origins[column]["feature"],
            "family": origins[column]["family"],
            "code": origins[column]["ibsi_code"],
            "aggregation": origins[column]["aggregation"],
            "value": float(value),
        }
        for column, value in table.iloc[row].items()
    ]


def run(cases: list[dict[str, Any]], settings: dict[str, Any]) -> list[Any]:
    """Compute all cases in one call of `extract_batch`."""
    from petnet.radiomics.labels import split_labels

    images, masks = [], []
    for case in cases:
        found = list(split_labels(case["mask"]).values()) if case["labels"] else [case["mask"]]
        images += [case["image"]] * len(found)
        masks += found
    wanted = feature_set(settings, cases[0]["image"].modality)
    table = extract_batch(images, masks, wanted, os.environ.get("PETNET_BENCH_DEVICE", "auto"))
    return [partial(common_form, table, row, wanted) for row in range(len(table))]


if __name__ == "__main__":
    serve(about, open_case, run)
