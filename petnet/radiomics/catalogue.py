"""Every feature petnet computes: a row each, with its IBSI code, family, unit and least region."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

__all__ = [
    "AUTOCORRELATION",
    "CATALOGUE",
    "DIRECTIONAL_FAMILIES",
    "FAMILIES",
    "FAMILY_CODES",
    "TEXTURE_FAMILIES",
    "Family",
    "Feature",
    "features_of",
]

Family = Literal[
    "stat", "morph", "local", "ih", "ivh", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"
]


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes
    ----------
    name : str
        The IBSI term in snake case; enclosing shapes are abbreviated (aabb, ombb, aee, mvee).
    code : str
        Four letters that name it for good, doi:10.1148/radiol.2020191145. Two intensity fractions
        of the same quantity share one.
    family : str
    unit : str
        "{intensity}" stands for the unit of the image, "{ivh}" for that of the intensity-volume
        histogram; "level" for a step between grey levels.
    least_voxels : int
        Number of voxels below which the value means nothing, though it is defined: a moment of
        order n needs n values, a percentile of 10 % ten, a mesh two voxels along each axis. Texture
        follows Orlhac et al. 2014 (doi:10.2967/jnumed.113.129858): 64 voxels.
    """

    name: str
    code: str
    family: Family
    unit: str
    least_voxels: int

    @property
    def least_levels(self) -> int:
        """Number of occupied grey levels below which the value means nothing."""
        return 2 if self.family in TEXTURE_FAMILIES else 1


FAMILIES: tuple[Family, ...] = get_args(Family)
#: Families that are counted on grey levels and aggregated over slices or directions.
TEXTURE_FAMILIES: frozenset[Family] = frozenset(
    {"glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"}
)
#: Those of them with a matrix per direction, and so with six aggregations instead of three.
DIRECTIONAL_FAMILIES: frozenset[Family] = frozenset({"glcm", "glrlm"})
#: Sums over all pairs of voxels, which cost more than all other features: they can be left out.
AUTOCORRELATION = ("morans_i_index", "gearys_c_measure")
FAMILY_CODES: dict[Family, str] = {
    "stat": "UHIW",
    "morph": "HCUG",
    "local": "9ST6",
    "ih": "ZVCW",
    "ivh": "P88C",
    "glcm": "LFYI",
    "glrlm": "TP0I",
    "glszm": "9SAK",
    "gldzm": "VMDZ",
    "ngtdm": "IPET",
    "ngldm": "REK0",
}

CATALOGUE: tuple[Feature, ...] = (
    Feature("mean_intensity", "Q4LE", "stat", "{intensity}", 1),
    Feature("intensity_variance", "ECT3", "stat", "{intensity}²", 2),
    Feature("intensity_skewness", "KE2A", "stat", "1", 3),
    Feature("excess_intensity_kurtosis", "IPH6", "stat", "1", 4),
    Feature("median_intensity", "Y12H", "stat", "{intensity}", 1),
    Feature("minimum_intensity", "1GSF", "stat", "{intensity}", 1),
    Feature("10th_intensity_percentile", "QG58", "stat", "{intensity}", 10),
    Feature("90th_intensity_percentile", "8DWT", "stat", "{intensity}", 10),
    Feature("maximum_intensity", "84IY", "stat", "{intensity}", 1),
    Feature("intensity_interquartile_range", "SALO", "stat", "{intensity}", 4),
    Feature("intensity_range", "2OJQ", "stat", "{intensity}", 2),
    Feature("intensity_mean_absolute_deviation", "4FUA", "stat", "{intensity}", 2),
    Feature("intensity_robust_mean_absolute_deviation", "1128", "stat", "{intensity}", 10),
    Feature("intensity_median_absolute_deviation", "N72L", "stat", "{intensity}", 2),
    Feature("intensity_coefficient_of_variation", "7TET", "stat", "1", 2),
    Feature("intensity_quartile_coefficient_of_dispersion", "9S40", "stat", "1", 4),
    Feature("intensity_energy", "N8CA", "stat", "{intensity}²", 1),
    Feature("root_mean_square_intensity", "5ZWQ", "stat", "{intensity}", 1),
    Feature("volume_mesh", "RNU0", "morph", "mm³", 1),
    Feature("volume_voxel_counting", "YEKZ", "morph", "mm³", 1),
    Feature("surface_area_mesh", "C0JK", "morph", "mm²", 8),
    Feature("surface_to_volume_ratio", "2PR5", "morph", "1/mm", 8),
    Feature("compactness_1", "SKGS", "morph", "1", 8),
    Feature("compactness_2", "BQWJ", "morph", "1", 8),
    Feature("spherical_disproportion", "KRCK", "morph", "1", 8),
    Feature("sphericity", "QCFX", "morph", "1", 8),
    Feature("asphericity", "25C7", "morph", "1", 8),
    Feature("centre_of_mass_shift", "KLMA", "morph", "mm", 2),
    Feature("maximum_3d_diameter", "L0JK", "morph", "mm", 8),
    Feature("major_axis_length", "TDIC", "morph", "mm", 8),
    Feature("minor_axis_length", "P9VJ", "morph", "mm", 8),
    Feature("least_axis_length", "7J51", "morph", "mm", 8),
    Feature("elongation", "Q3CK", "morph", "1", 8),
    Feature("flatness", "N17B", "morph", "1", 8),
    Feature("volume_density_aabb", "PBX1", "morph", "1", 8),
    Feature("area_density_aabb", "R59B", "morph", "1", 8),
    Feature("volume_density_ombb", "ZH1A", "morph", "1", 8),
    Feature("area_density_ombb", "IQYR", "morph", "1", 8),
    Feature("volume_density_aee", "6BDE", "morph", "1", 8),
    Feature("area_density_aee", "RDD2", "morph", "1", 8),
    Feature("volume_density_mvee", "SWZ1", "morph", "1", 8),
    Feature("area_density_mvee", "BRI8", "morph", "1", 8),
    Feature("volume_density_convex_hull", "R3ER", "morph", "1", 8),
    Feature("area_density_convex_hull", "7T7F", "morph", "1", 8),
    Feature("integrated_intensity", "99N0", "morph", "{intensity}·mm³", 1),
    Feature("morans_i_index", "N365", "morph", "1", 64),
    Feature("gearys_c_measure", "NPT7", "morph", "1", 64),
    Feature("local_intensity_peak", "VJGA", "local", "{intensity}", 1),
    Feature("global_intensity_peak", "0F91", "local", "{intensity}", 1),
    Feature("mean_discretised_intensity", "X6K6", "ih", "level", 1),
    Feature("discretised_intensity_variance", "CH89", "ih", "level²", 2),
    Feature("discretised_intensity_skewness", "88K1", "ih", "1", 3),
    Feature("excess_discretised_intensity_kurtosis", "C3I7", "ih", "1", 4),
    Feature("median_discretised_intensity", "WIFQ", "ih", "level", 1),
    Feature("minimum_discretised_intensity", "1PR8", "ih", "level", 1),
    Feature("10th_discretised_intensity_percentile", "GPMT", "ih", "level", 10),
    Feature("90th_discretised_intensity_percentile", "OZ0C", "ih", "level", 10),
    Feature("maximum_discretised_intensity", "3NCY", "ih", "level", 1),
    Feature("intensity_histogram_mode", "AMMC", "ih", "level", 1),
    Feature("discretised_intensity_interquartile_range", "WR0O", "ih", "level", 4),
    Feature("discretised_intensity_range", "5Z3W", "ih", "level", 2),
    Feature("intensity_histogram_mean_absolute_deviation", "D2ZX", "ih", "level", 2),
    Feature("intensity_histogram_robust_mean_absolute_deviation", "WRZB", "ih", "level", 10),
    Feature("intensity_histogram_median_absolute_deviation", "4RNL", "ih", "level", 2),
    Feature("intensity_histogram_coefficient_of_variation", "CWYJ", "ih", "1", 2),
    Feature("intensity_histogram_quartile_coefficient_of_dispersion", "SLWD", "ih", "1", 4),
    Feature("discretised_intensity_entropy", "TLU2", "ih", "bit", 2),
    Feature("discretised_intensity_uniformity", "BJ5W", "ih", "1", 2),
    Feature("maximum_histogram_gradient", "12CE", "ih", "voxel/level", 2),
    Feature("maximum_histogram_gradient_intensity", "8E6O", "ih", "level", 2),
    Feature("minimum_histogram_gradient", "VQB3", "ih", "voxel/level", 2),
    Feature("minimum_histogram_gradient_intensity", "RHQZ", "ih", "level", 2),
    Feature("volume_at_intensity_fraction_10", "BC2M", "ivh", "1", 10),
    Feature("volume_at_intensity_fraction_90", "BC2M", "ivh", "1", 10),
    Feature("intensity_at_volume_fraction_10", "GBPN", "ivh", "{ivh}", 10),
    Feature("intensity_at_volume_fraction_90", "GBPN", "ivh", "{ivh}", 10),
    Feature("volume_fraction_difference_between_intensity_fractions", "DDTU", "ivh", "1", 10),
    Feature("intensity_fraction_difference_between_volume_fractions", "CNV2", "ivh", "{ivh}", 10),
    Feature("area_under_the_ivh_curve", "9CMM", "ivh", "1", 10),
    Feature("joint_maximum", "GYBY", "glcm", "1", 64),
    Feature("joint_average", "60VM", "glcm", "level", 64),
    Feature("joint_variance", "UR99", "glcm", "level²", 64),
    Feature("joint_entropy", "TU9B", "glcm", "bit", 64),
    Feature("difference_average", "TF7R", "glcm", "level", 64),
    Feature("difference_variance", "D3YU", "glcm", "level²", 64),
    Feature("difference_entropy", "NTRS", "glcm", "bit", 64),
    Feature("sum_average", "ZGXS", "glcm", "level", 64),
    Feature("sum_variance", "OEEB", "glcm", "level²", 64),
    Feature("sum_entropy", "P6QZ", "glcm", "bit", 64),
    Feature("angular_second_moment", "8ZQL", "glcm", "1", 64),
    Feature("contrast", "ACUI", "glcm", "level²", 64),
    Feature("dissimilarity", "8S9J", "glcm", "level", 64),
    Feature("inverse_difference", "IB1Z", "glcm", "1", 64),
    Feature("normalised_inverse_difference", "NDRX", "glcm", "1", 64),
    Feature("inverse_difference_moment", "WF0Z", "glcm", "1", 64),
    Feature("normalised_inverse_difference_moment", "1QCO", "glcm", "1", 64),
    Feature("inverse_variance", "E8JP", "glcm", "1", 64),
    Feature("correlation", "NI2N", "glcm", "1", 64),
    Feature("autocorrelation", "QWB0", "glcm", "level²", 64),
    Feature("cluster_tendency", "DG8W", "glcm", "level²", 64),
    Feature("cluster_shade", "7NFM", "glcm", "level³", 64),
    Feature("cluster_prominence", "AE86", "glcm", "level⁴", 64),
    Feature("information_correlation_1", "R8DG", "glcm", "1", 64),
    Feature("information_correlation_2", "JN9H", "glcm", "1", 64),
    Feature("short_runs_emphasis", "22OV", "glrlm", "1", 64),
    Feature("long_runs_emphasis", "W4KF", "glrlm", "voxel²", 64),
    Feature("low_grey_level_run_emphasis", "V3SW", "glrlm", "1/level²", 64),
    Feature("high_grey_level_run_emphasis", "G3QZ", "glrlm", "level²", 64),
    Feature("short_run_low_grey_level_emphasis", "HTZT", "glrlm", "1/level²", 64),
    Feature("short_run_high_grey_level_emphasis", "GD3A", "glrlm", "level²", 64),
    Feature("long_run_low_grey_level_emphasis", "IVPO", "glrlm", "voxel²/level²", 64),
    Feature("long_run_high_grey_level_emphasis", "3KUM", "glrlm", "voxel²·level²", 64),
    Feature("grey_level_non_uniformity", "R5YN", "glrlm", "run", 64),
    Feature("normalised_grey_level_non_uniformity", "OVBL", "glrlm", "1", 64),
    Feature("run_length_non_uniformity", "W92Y", "glrlm", "run", 64),
    Feature("normalised_run_length_non_uniformity", "IC23", "glrlm", "1", 64),
    Feature("run_percentage", "9ZK5", "glrlm", "1", 64),
    Feature("grey_level_variance", "8CE5", "glrlm", "level²", 64),
    Feature("run_length_variance", "SXLW", "glrlm", "voxel²", 64),
    Feature("run_entropy", "HJ9O", "glrlm", "bit", 64),
    Feature("small_zone_emphasis", "5QRC", "glszm", "1", 64),
    Feature("large_zone_emphasis", "48P8", "glszm", "voxel²", 64),
    Feature("low_grey_level_zone_emphasis", "XMSY", "glszm", "1/level²", 64),
    Feature("high_grey_level_zone_emphasis", "5GN9", "glszm", "level²", 64),
    Feature("small_zone_low_grey_level_emphasis", "5RAI", "glszm", "1/level²", 64),
    Feature("small_zone_high_grey_level_emphasis", "HW1V", "glszm", "level²", 64),
    Feature("large_zone_low_grey_level_emphasis", "YH51", "glszm", "voxel²/level²", 64),
    Feature("large_zone_high_grey_level_emphasis", "J17V", "glszm", "voxel²·level²", 64),
    Feature("grey_level_non_uniformity", "JNSA", "glszm", "zone", 64),
    Feature("normalised_grey_level_non_uniformity", "Y1RO", "glszm", "1", 64),
    Feature("zone_size_non_uniformity", "4JP3", "glszm", "zone", 64),
    Feature("normalised_zone_size_non_uniformity", "VB3A", "glszm", "1", 64),
    Feature("zone_percentage", "P30P", "glszm", "1", 64),
    Feature("grey_level_variance", "BYLV", "glszm", "level²", 64),
    Feature("zone_size_variance", "3NSA", "glszm", "voxel²", 64),
    Feature("zone_size_entropy", "GU8N", "glszm", "bit", 64),
    Feature("small_distance_emphasis", "0GBI", "gldzm", "1", 64),
    Feature("large_distance_emphasis", "MB4I", "gldzm", "voxel²", 64),
    Feature("low_grey_level_zone_emphasis", "S1RA", "gldzm", "1/level²", 64),
    Feature("high_grey_level_zone_emphasis", "K26C", "gldzm", "level²", 64),
    Feature("small_distance_low_grey_level_emphasis", "RUVG", "gldzm", "1/level²", 64),
    Feature("small_distance_high_grey_level_emphasis", "DKNJ", "gldzm", "level²", 64),
    Feature("large_distance_low_grey_level_emphasis", "A7WM", "gldzm", "voxel²/level²", 64),
    Feature("large_distance_high_grey_level_emphasis", "KLTH", "gldzm", "voxel²·level²", 64),
    Feature("grey_level_non_uniformity", "VFT7", "gldzm", "zone", 64),
    Feature("normalised_grey_level_non_uniformity", "7HP3", "gldzm", "1", 64),
    Feature("zone_distance_non_uniformity", "V294", "gldzm", "zone", 64),
    Feature("normalised_zone_distance_non_uniformity", "IATH", "gldzm", "1", 64),
    Feature("zone_percentage", "VIWW", "gldzm", "1", 64),
    Feature("grey_level_variance", "QK93", "gldzm", "level²", 64),
    Feature("zone_distance_variance", "7WT1", "gldzm", "voxel²", 64),
    Feature("zone_distance_entropy", "GBDU", "gldzm", "bit", 64),
    Feature("coarseness", "QCDE", "ngtdm", "1/level", 64),
    Feature("contrast", "65HE", "ngtdm", "level³", 64),
    Feature("busyness", "NQ30", "ngtdm", "1", 64),
    Feature("complexity", "HDEZ", "ngtdm", "level²", 64),
    Feature("strength", "1X9X", "ngtdm", "level", 64),
    Feature("low_dependence_emphasis", "SODN", "ngldm", "1", 64),
    Feature("high_dependence_emphasis", "IMOQ", "ngldm", "voxel²", 64),
    Feature("low_grey_level_count_emphasis", "TL9H", "ngldm", "1/level²", 64),
    Feature("high_grey_level_count_emphasis", "OAE7", "ngldm", "level²", 64),
    Feature("low_dependence_low_grey_level_emphasis", "EQ3F", "ngldm", "1/level²", 64),
    Feature("low_dependence_high_grey_level_emphasis", "JA6D", "ngldm", "level²", 64),
    Feature("high_dependence_low_grey_level_emphasis", "NBZI", "ngldm", "voxel²/level²", 64),
    Feature("high_dependence_high_grey_level_emphasis", "9QMG", "ngldm", "voxel²·level²", 64),
    Feature("grey_level_non_uniformity", "FP8K", "ngldm", "voxel", 64),
    Feature("normalised_grey_level_non_uniformity", "5SPA", "ngldm", "1", 64),
    Feature("dependence_count_non_uniformity", "Z87G", "ngldm", "voxel", 64),
    Feature("normalised_dependence_count_non_uniformity", "OKJI", "ngldm", "1", 64),
    Feature("dependence_count_percentage", "6XV8", "ngldm", "1", 64),
    Feature("grey_level_variance", "1PFV", "ngldm", "level²", 64),
    Feature("dependence_count_variance", "DNX2", "ngldm", "voxel²", 64),
    Feature("dependence_count_entropy", "FCBV", "ngldm", "bit", 64),
    Feature("dependence_count_energy", "CAS9", "ngldm", "1", 64),
)


@cache
def features_of(family: Family) -> tuple[Feature, ...]:
    """Return the rows of one family, in the order of the columns."""
    return tuple(feature for feature in CATALOGUE if feature.family == family)
