"""What docs/peers.md explains: features in which a library differs from petnet, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from peer_runs import Key, relative_difference

from petnet.radiomics.catalogue import features_of

__all__ = ["EXPLAINED", "TOLERANCE", "Explained", "explanation", "unexplained"]

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Explained:
    """A difference that docs/peers.md accounts for.

    Attributes
    ----------
    library : {"mirp", "pictologics", "pyradiomics"}
    reason : str
        Heading of the paragraph in docs/peers.md.
    features : tuple of (family, feature)
    largest : float
        Relative difference up to which the reason holds; beyond it, something else is wrong.
    """

    library: str
    reason: str
    features: tuple[tuple[str, str], ...]
    largest: float


def _of(family: str, *names: str) -> tuple[tuple[str, str], ...]:
    """Return rows of the catalogue, all of which must be there."""
    known = {feature.name for feature in features_of(family)}  # type: ignore[arg-type]
    missing = set(names) - known
    if missing:
        raise ValueError(f"{family} has no {sorted(missing)}")
    return tuple((family, name) for name in names)


PERCENTILES = (
    *_of(
        "stat",
        "10th_intensity_percentile",
        "90th_intensity_percentile",
        "median_intensity",
        "intensity_interquartile_range",
        "intensity_quartile_coefficient_of_dispersion",
        "intensity_robust_mean_absolute_deviation",
    ),
    *_of(
        "ih",
        "10th_discretised_intensity_percentile",
        "90th_discretised_intensity_percentile",
        "median_discretised_intensity",
        "discretised_intensity_interquartile_range",
        "intensity_histogram_quartile_coefficient_of_dispersion",
        "intensity_histogram_robust_mean_absolute_deviation",
    ),
)
MESH = _of(
    "morph",
    "volume_mesh",
    "surface_area_mesh",
    "surface_to_volume_ratio",
    "compactness_1",
    "compactness_2",
    "spherical_disproportion",
    "sphericity",
    "asphericity",
    "volume_density_aabb",
    "area_density_aabb",
    "volume_density_aee",
    "area_density_aee",
    "volume_density_convex_hull",
    "area_density_convex_hull",
    "integrated_intensity",
)
BOX = _of("morph", "volume_density_ombb", "area_density_ombb")
ELLIPSOID = _of("morph", "volume_density_mvee", "area_density_mvee")
EXPLAINED: tuple[Explained, ...] = (
    Explained("pictologics", "Percentiles", PERCENTILES, 0.2),
    Explained(
        "pictologics",
        "Number of grey levels",
        _of("glcm", "normalised_inverse_difference", "normalised_inverse_difference_moment"),
        0.05,
    ),
    Explained(
        "pictologics",
        "Intensity at volume fraction",
        _of(
            "ivh",
            "intensity_at_volume_fraction_10",
            "intensity_at_volume_fraction_90",
            "intensity_fraction_difference_between_volume_fractions",
        ),
        0.2,
    ),
    Explained("pictologics", "Area under the IVH curve", _of("ivh", "area_under_the_ivh_curve"), 1),
    Explained("mirp", "Local intensity peak", _of("local", "local_intensity_peak"), 0.5),
    Explained("mirp", "Mesh", MESH, 0.03),
    Explained("pictologics", "Mesh", MESH, 0.001),
    Explained("mirp", "Oriented minimum bounding box", BOX, 0.6),
    Explained("pictologics", "Oriented minimum bounding box", BOX, 0.4),
    Explained("mirp", "Minimum volume enclosing ellipsoid", ELLIPSOID, 0.02),
    Explained("pictologics", "Minimum volume enclosing ellipsoid", ELLIPSOID, 0.15),
    Explained("pyradiomics", "Mesh", MESH, 0.03),
)


def explanation(library: str, key: Key, relative: float) -> Explained | None:
    """Return why a feature of a library differs by so much from petnet's, if that is known."""
    for one in EXPLAINED:
        if one.library == library and key[:2] in one.features and relative <= one.largest:
            return one
    return None


def unexplained(
    library: str, ours: Mapping[Key, float], theirs: Mapping[Key, float]
) -> dict[Key, tuple[float, float]]:
    """Return the shared features that differ by more than 1e-4 and should not."""
    found = {}
    for key in ours:
        if key in theirs:
            relative = relative_difference(ours[key], theirs[key])
            if relative > TOLERANCE and explanation(library, key, relative) is None:
                found[key] = ours[key], theirs[key]
    return found
