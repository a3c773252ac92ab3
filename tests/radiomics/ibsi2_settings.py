"""IBSI-2's own settings of its reference maps and values, as petnet's filters."""

from petnet.radiomics import filters


def filter_of(entry):
    """Make the filter of an entry of `filters.json`; None where nothing is filtered."""
    if entry["filter"] == "none":
        return None
    kind, given = entry["filter"], entry["parameters"]
    dimension, boundary = int(entry["dimension"][0]), entry["boundary"]
    if kind == "mean":
        return filters.Mean(given["support_voxels"], dimension, boundary)
    if kind == "log":
        return filters.LaplacianOfGaussian(
            given["sigma_mm"], given["truncate_sigmas"], dimension, boundary
        )
    if kind == "laws":
        distance = given["energy_delta_voxels"]
        return filters.Laws(given["kernel"], given["pooling"], distance, boundary)
    if kind == "gabor":
        return filters.Gabor(
            given["sigma_mm"],
            given["lambda_mm"],
            given["gamma"],
            given["theta_deg"],
            given["theta_step_deg"],
            given["pooling"] or "average",
            given["orthogonal_planes_average"],
            boundary,
        )
    if kind == "separable_wavelet":
        return filters.SeparableWavelet(
            given["wavelet"], given["subband"], given["level"], given["pooling"], boundary
        )
    if kind == "simoncelli":
        return filters.Simoncelli(given["level"], dimension, boundary)
    of = {"sigma_mm": given.get("sigma_mm"), "level": given.get("level")}
    return filters.Riesz(given["riesz_order"], boundary=boundary, **of)
