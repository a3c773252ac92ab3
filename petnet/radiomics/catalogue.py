"""Every feature petnet computes: one row each, with its IBSI code, family and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CATALOGUE", "FAMILY_CODES", "Family", "Feature", "features_of"]

Family = Literal["stat", "morph", "glcm"]


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes
    ----------
    name : str
        The IBSI term in snake case; enclosing shapes are abbreviated (aabb, aee).
    code : str
        Four letters that name it for good, doi:10.1148/radiol.2020191145.
    family : str
    unit : str
        "{intensity}" stands for the unit of the image; "level" for a step between grey levels.
    """

    name: str
    code: str
    family: Family
    unit: str


FAMILY_CODES: dict[Family, str] = {"stat": "UHIW", "morph": "HCUG", "glcm": "LFYI"}

CATALOGUE: tuple[Feature, ...] = (
    Feature("mean_intensity", "Q4LE", "stat", "{intensity}"),
    Feature("intensity_variance", "ECT3", "stat", "{intensity}²"),
    Feature("intensity_skewness", "KE2A", "stat", "1"),
    Feature("excess_intensity_kurtosis", "IPH6", "stat", "1"),
    Feature("median_intensity", "Y12H", "stat", "{intensity}"),
    Feature("minimum_intensity", "1GSF", "stat", "{intensity}"),
    Feature("10th_intensity_percentile", "QG58", "stat", "{intensity}"),
    Feature("90th_intensity_percentile", "8DWT", "stat", "{intensity}"),
    Feature("maximum_intensity", "84IY", "stat", "{intensity}"),
    Feature("intensity_interquartile_range", "SALO", "stat", "{intensity}"),
    Feature("intensity_range", "2OJQ", "stat", "{intensity}"),
    Feature("intensity_mean_absolute_deviation", "4FUA", "stat", "{intensity}"),
    Feature("intensity_robust_mean_absolute_deviation", "1128", "stat", "{intensity}"),
    Feature("intensity_median_absolute_deviation", "N72L", "stat", "{intensity}"),
    Feature("intensity_coefficient_of_variation", "7TET", "stat", "1"),
    Feature("intensity_quartile_coefficient_of_dispersion", "9S40", "stat", "1"),
    Feature("intensity_energy", "N8CA", "stat", "{intensity}²"),
    Feature("root_mean_square_intensity", "5ZWQ", "stat", "{intensity}"),
    Feature("volume_mesh", "RNU0", "morph", "mm³"),
    Feature("volume_voxel_counting", "YEKZ", "morph", "mm³"),
    Feature("surface_area_mesh", "C0JK", "morph", "mm²"),
    Feature("surface_to_volume_ratio", "2PR5", "morph", "1/mm"),
    Feature("compactness_1", "SKGS", "morph", "1"),
    Feature("compactness_2", "BQWJ", "morph", "1"),
    Feature("spherical_disproportion", "KRCK", "morph", "1"),
    Feature("sphericity", "QCFX", "morph", "1"),
    Feature("asphericity", "25C7", "morph", "1"),
    Feature("centre_of_mass_shift", "KLMA", "morph", "mm"),
    Feature("maximum_3d_diameter", "L0JK", "morph", "mm"),
    Feature("major_axis_length", "TDIC", "morph", "mm"),
    Feature("minor_axis_length", "P9VJ", "morph", "mm"),
    Feature("least_axis_length", "7J51", "morph", "mm"),
    Feature("elongation", "Q3CK", "morph", "1"),
    Feature("flatness", "N17B", "morph", "1"),
    Feature("volume_density_aabb", "PBX1", "morph", "1"),
    Feature("area_density_aabb", "R59B", "morph", "1"),
    Feature("volume_density_aee", "6BDE", "morph", "1"),
    Feature("area_density_aee", "RDD2", "morph", "1"),
    Feature("volume_density_convex_hull", "R3ER", "morph", "1"),
    Feature("area_density_convex_hull", "7T7F", "morph", "1"),
    Feature("integrated_intensity", "99N0", "morph", "{intensity}·mm³"),
    Feature("joint_maximum", "GYBY", "glcm", "1"),
    Feature("joint_average", "60VM", "glcm", "level"),
    Feature("joint_variance", "UR99", "glcm", "level²"),
    Feature("joint_entropy", "TU9B", "glcm", "bit"),
    Feature("difference_average", "TF7R", "glcm", "level"),
    Feature("difference_variance", "D3YU", "glcm", "level²"),
    Feature("difference_entropy", "NTRS", "glcm", "bit"),
    Feature("sum_average", "ZGXS", "glcm", "level"),
    Feature("sum_variance", "OEEB", "glcm", "level²"),
    Feature("sum_entropy", "P6QZ", "glcm", "bit"),
    Feature("angular_second_moment", "8ZQL", "glcm", "1"),
    Feature("contrast", "ACUI", "glcm", "level²"),
    Feature("dissimilarity", "8S9J", "glcm", "level"),
    Feature("inverse_difference", "IB1Z", "glcm", "1"),
    Feature("normalised_inverse_difference", "NDRX", "glcm", "1"),
    Feature("inverse_difference_moment", "WF0Z", "glcm", "1"),
    Feature("normalised_inverse_difference_moment", "1QCO", "glcm", "1"),
    Feature("inverse_variance", "E8JP", "glcm", "1"),
    Feature("correlation", "NI2N", "glcm", "1"),
    Feature("autocorrelation", "QWB0", "glcm", "level²"),
    Feature("cluster_tendency", "DG8W", "glcm", "level²"),
    Feature("cluster_shade", "7NFM", "glcm", "level³"),
    Feature("cluster_prominence", "AE86", "glcm", "level⁴"),
    Feature("information_correlation_1", "R8DG", "glcm", "1"),
    Feature("information_correlation_2", "JN9H", "glcm", "1"),
)


def features_of(family: Family) -> tuple[Feature, ...]:
    """Return the rows of one family, in the order of the columns."""
    return tuple(feature for feature in CATALOGUE if feature.family == family)
