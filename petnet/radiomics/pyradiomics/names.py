"""Every feature of PyRadiomics: a row each, with the definition it has here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from petnet.radiomics.catalogue import CATALOGUE, Family, Feature

__all__ = [
    "CLASSES",
    "CLASS_OF_FAMILY",
    "DEFINITIONS",
    "FAMILY_OF_CLASS",
    "WITHOUT_VALUE",
    "Definition",
    "RadiomicsClass",
]

RadiomicsClass = Literal["shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]
CLASSES: tuple[RadiomicsClass, ...] = get_args(RadiomicsClass)
CLASS_OF_FAMILY: dict[Family, RadiomicsClass] = {
    "morph": "shape",
    "stat": "firstorder",
    "glcm": "glcm",
    "glrlm": "glrlm",
    "glszm": "glszm",
    "ngldm": "gldm",
    "ngtdm": "ngtdm",
}
FAMILY_OF_CLASS: dict[RadiomicsClass, Family] = {v: k for k, v in CLASS_OF_FAMILY.items()}


@dataclass(frozen=True)
class Definition:
    """A feature of PyRadiomics.

    Attributes
    ----------
    radiomics_class, name : str
        As PyRadiomics calls them.
    ibsi : Feature or None
        The row of the catalogue that means the same, or the same but for `differs`.
    differs : str or None
        How the definition differs from IBSI's.
    own_unit : str or None
        Where it is not that of `ibsi`.
    default : bool
        PyRadiomics computes it unless features are named.
    """

    radiomics_class: RadiomicsClass
    name: str
    ibsi: Feature | None
    differs: str | None = None
    own_unit: str | None = None
    default: bool = True

    @property
    def key(self) -> str:
        """Class and name: the end of a column."""
        return f"{self.radiomics_class}_{self.name}"

    @property
    def unit(self) -> str:
        """As `Feature.unit`."""
        if self.own_unit is not None:
            return self.own_unit
        return self.ibsi.unit if self.ibsi is not None else "1"

    @property
    def least_voxels(self) -> int:
        """As `Feature.least_voxels`; of what IBSI does not have, that of its family."""
        if self.ibsi is not None:
            return self.ibsi.least_voxels
        return {"shape": 8, "firstorder": 2}.get(self.radiomics_class, 64)

    @property
    def least_levels(self) -> int:
        """As `Feature.least_levels`."""
        return 1 if self.radiomics_class in ("shape", "firstorder") else 2


def _row(
    radiomics_class: RadiomicsClass,
    name: str,
    code: str | None,
    differs: str | None = None,
    unit: str | None = None,
    default: bool = True,
) -> Definition:
    ibsi = None
    if code is not None:
        family = "ih" if code in HISTOGRAM else FAMILY_OF_CLASS[radiomics_class]
        ibsi = next(f for f in CATALOGUE if f.code == code and f.family == family)
    return Definition(radiomics_class, name, ibsi, differs, unit, default)


#: PyRadiomics counts entropy and uniformity of the histogram among first order statistics.
HISTOGRAM = ("TLU2", "BJ5W")
MESH = "own marching cubes: cells with diagonal corners are cut otherwise, the mesh may stay open"
AXES = "covariance divided by N, not N - 1"
FLAT_ONE = "1 where only one level occurs, IBSI undefined"
FLAT_ZERO = "0 where only one level occurs, IBSI undefined"
IN_PLANE = "not in IBSI: longest distance of mesh vertices in one plane"
LONE = "voxels without neighbours count, with difference 0"
RUNS = "directions in which no line has two voxels are left out"

DEFINITIONS: tuple[Definition, ...] = (
    _row("shape", "Elongation", "Q3CK"),
    _row("shape", "Flatness", "N17B"),
    _row("shape", "LeastAxisLength", "7J51", AXES),
    _row("shape", "MajorAxisLength", "TDIC", AXES),
    _row("shape", "Maximum2DDiameterColumn", None, IN_PLANE, "mm"),
    _row("shape", "Maximum2DDiameterRow", None, IN_PLANE, "mm"),
    _row("shape", "Maximum2DDiameterSlice", None, IN_PLANE, "mm"),
    _row("shape", "Maximum3DDiameter", "L0JK"),
    _row("shape", "MeshVolume", "RNU0", MESH),
    _row("shape", "MinorAxisLength", "P9VJ", AXES),
    _row("shape", "Sphericity", "QCFX", MESH),
    _row("shape", "SurfaceArea", "C0JK", MESH),
    _row("shape", "SurfaceVolumeRatio", "2PR5", MESH),
    _row("shape", "VoxelVolume", "YEKZ"),
    _row("shape", "Compactness1", "SKGS", MESH, default=False),
    _row("shape", "Compactness2", "BQWJ", MESH, default=False),
    _row("shape", "SphericalDisproportion", "KRCK", MESH, default=False),
    _row("firstorder", "10Percentile", "QG58"),
    _row("firstorder", "90Percentile", "8DWT"),
    _row("firstorder", "Energy", "N8CA", "voxelArrayShift is added first"),
    _row("firstorder", "Entropy", "TLU2"),
    _row("firstorder", "InterquartileRange", "SALO"),
    _row("firstorder", "Kurtosis", "IPH6", "not in excess: 3 more; 0 in a flat region"),
    _row("firstorder", "Maximum", "84IY"),
    _row("firstorder", "MeanAbsoluteDeviation", "4FUA"),
    _row("firstorder", "Mean", "Q4LE"),
    _row("firstorder", "Median", "Y12H"),
    _row("firstorder", "Minimum", "1GSF"),
    _row("firstorder", "Range", "2OJQ"),
    _row("firstorder", "RobustMeanAbsoluteDeviation", "1128"),
    _row("firstorder", "RootMeanSquared", "5ZWQ", "voxelArrayShift is added first"),
    _row("firstorder", "Skewness", "KE2A"),
    _row(
        "firstorder",
        "TotalEnergy",
        None,
        "not in IBSI: energy times the volume of a voxel",
        "{intensity}²·mm³",
    ),
    _row("firstorder", "Uniformity", "BJ5W"),
    _row("firstorder", "Variance", "ECT3"),
    _row(
        "firstorder",
        "StandardDeviation",
        None,
        "not in IBSI: square root of the variance",
        "{intensity}",
        default=False,
    ),
    _row("glcm", "Autocorrelation", "QWB0"),
    _row("glcm", "ClusterProminence", "AE86"),
    _row("glcm", "ClusterShade", "7NFM"),
    _row("glcm", "ClusterTendency", "DG8W"),
    _row("glcm", "Contrast", "ACUI"),
    _row("glcm", "Correlation", "NI2N", FLAT_ONE),
    _row("glcm", "DifferenceAverage", "TF7R"),
    _row("glcm", "DifferenceEntropy", "NTRS"),
    _row("glcm", "DifferenceVariance", "D3YU"),
    _row("glcm", "Id", "IB1Z"),
    _row("glcm", "Idm", "WF0Z"),
    _row("glcm", "Idmn", "1QCO"),
    _row("glcm", "Idn", "NDRX"),
    _row("glcm", "Imc1", "R8DG", FLAT_ZERO),
    _row("glcm", "Imc2", "JN9H"),
    _row("glcm", "InverseVariance", "E8JP"),
    _row("glcm", "JointAverage", "60VM"),
    _row("glcm", "JointEnergy", "8ZQL"),
    _row("glcm", "JointEntropy", "TU9B"),
    _row("glcm", "MCC", None, "not in IBSI: maximal correlation coefficient"),
    _row("glcm", "MaximumProbability", "GYBY"),
    _row("glcm", "SumAverage", "ZGXS"),
    _row("glcm", "SumEntropy", "P6QZ"),
    _row("glcm", "SumSquares", "UR99"),
    _row("glrlm", "GrayLevelNonUniformity", "R5YN", RUNS),
    _row("glrlm", "GrayLevelNonUniformityNormalized", "OVBL", RUNS),
    _row("glrlm", "GrayLevelVariance", "8CE5", RUNS),
    _row("glrlm", "HighGrayLevelRunEmphasis", "G3QZ", RUNS),
    _row("glrlm", "LongRunEmphasis", "W4KF", RUNS),
    _row("glrlm", "LongRunHighGrayLevelEmphasis", "3KUM", RUNS),
    _row("glrlm", "LongRunLowGrayLevelEmphasis", "IVPO", RUNS),
    _row("glrlm", "LowGrayLevelRunEmphasis", "V3SW", RUNS),
    _row("glrlm", "RunEntropy", "HJ9O", RUNS),
    _row("glrlm", "RunLengthNonUniformity", "W92Y", RUNS),
    _row("glrlm", "RunLengthNonUniformityNormalized", "IC23", RUNS),
    _row("glrlm", "RunPercentage", "9ZK5", RUNS),
    _row("glrlm", "RunVariance", "SXLW", RUNS),
    _row("glrlm", "ShortRunEmphasis", "22OV", RUNS),
    _row("glrlm", "ShortRunHighGrayLevelEmphasis", "GD3A", RUNS),
    _row("glrlm", "ShortRunLowGrayLevelEmphasis", "HTZT", RUNS),
    _row("glszm", "GrayLevelNonUniformity", "JNSA"),
    _row("glszm", "GrayLevelNonUniformityNormalized", "Y1RO"),
    _row("glszm", "GrayLevelVariance", "BYLV"),
    _row("glszm", "HighGrayLevelZoneEmphasis", "5GN9"),
    _row("glszm", "LargeAreaEmphasis", "48P8"),
    _row("glszm", "LargeAreaHighGrayLevelEmphasis", "J17V"),
    _row("glszm", "LargeAreaLowGrayLevelEmphasis", "YH51"),
    _row("glszm", "LowGrayLevelZoneEmphasis", "XMSY"),
    _row("glszm", "SizeZoneNonUniformity", "4JP3"),
    _row("glszm", "SizeZoneNonUniformityNormalized", "VB3A"),
    _row("glszm", "SmallAreaEmphasis", "5QRC"),
    _row("glszm", "SmallAreaHighGrayLevelEmphasis", "HW1V"),
    _row("glszm", "SmallAreaLowGrayLevelEmphasis", "5RAI"),
    _row("glszm", "ZoneEntropy", "GU8N"),
    _row("glszm", "ZonePercentage", "P30P"),
    _row("glszm", "ZoneVariance", "3NSA"),
    _row("gldm", "DependenceEntropy", "FCBV"),
    _row("gldm", "DependenceNonUniformity", "Z87G"),
    _row("gldm", "DependenceNonUniformityNormalized", "OKJI"),
    _row("gldm", "DependenceVariance", "DNX2"),
    _row("gldm", "GrayLevelNonUniformity", "FP8K"),
    _row("gldm", "GrayLevelVariance", "1PFV"),
    _row("gldm", "HighGrayLevelEmphasis", "OAE7"),
    _row("gldm", "LargeDependenceEmphasis", "IMOQ"),
    _row("gldm", "LargeDependenceHighGrayLevelEmphasis", "9QMG"),
    _row("gldm", "LargeDependenceLowGrayLevelEmphasis", "NBZI"),
    _row("gldm", "LowGrayLevelEmphasis", "TL9H"),
    _row("gldm", "SmallDependenceEmphasis", "SODN"),
    _row("gldm", "SmallDependenceHighGrayLevelEmphasis", "JA6D"),
    _row("gldm", "SmallDependenceLowGrayLevelEmphasis", "EQ3F"),
    _row("ngtdm", "Busyness", "NQ30", LONE + "; 0 where the divisor is 0"),
    _row("ngtdm", "Coarseness", "QCDE", LONE),
    _row("ngtdm", "Complexity", "HDEZ", LONE),
    _row("ngtdm", "Contrast", "65HE", LONE),
    _row("ngtdm", "Strength", "1X9X", LONE),
)
#: Features that PyRadiomics 3 lists but gives no value, since others mean the same.
WITHOUT_VALUE: dict[str, str] = {
    "glcm_Dissimilarity": "glcm_DifferenceAverage",
    "glcm_Homogeneity1": "glcm_Id",
    "glcm_Homogeneity2": "glcm_Idm",
    "glcm_SumVariance": "glcm_ClusterTendency",
    "gldm_GrayLevelNonUniformityNormalized": "firstorder_Uniformity",
    "gldm_DependencePercentage": "1",
}
