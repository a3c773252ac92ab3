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
    ours_greater : bool
        The reason holds only where petnet's value is the greater one.
    """

    library: str
    reason: str
    features: tuple[tuple[str, str], ...]
    largest: float
    ours_greater: bool = False


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
BOX_VOLUME = _of("morph", "volume_density_ombb")
BOX_AREA = _of("morph", "area_density_ombb")
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
    Explained("pictologics", "Mesh", MESH, 0.01),
    Explained("mirp", "Oriented minimum bounding box", BOX_VOLUME, 0.4, ours_greater=True),
    Explained("pictologics", "Oriented minimum bounding box", BOX_VOLUME, 0.6, ours_greater=True),
    Explained("mirp", "Oriented minimum bounding box", BOX_AREA, 0.6),
    Explained("pictologics", "Oriented minimum bounding box", BOX_AREA, 0.6),
    Explained("mirp", "Minimum volume enclosing ellipsoid", ELLIPSOID, 0.15),
    Explained("pictologics", "Minimum volume enclosing ellipsoid", ELLIPSOID, 0.02),
    Explained("pyradiomics", "Mesh", MESH, 0.03),
)


def explanation(library: str, key: Key, ours: float, theirs: float) -> Explained | None:
    """Return why a library's value differs as it does from petnet's, if that is known."""
    relative = relative_difference(ours, theirs)
    for one in EXPLAINED:
        meant = one.library == library and key[:2] in one.features
        if meant and relative <= one.largest and (ours > theirs or not one.ours_greater):
            return one
    return None


def unexplained(
    library: str, ours: Mapping[Key, float], theirs: Mapping[Key, float]
) -> dict[Key, tuple[float, float]]:
    """Return the shared features that differ by more than 1e-4 and should not."""
    found = {}
    for key in ours:
        if key in theirs:
            values = ours[key], theirs[key]
            if relative_difference(*values) > TOLERANCE and not explanation(library, key, *values):
                found[key] = values
    return found
