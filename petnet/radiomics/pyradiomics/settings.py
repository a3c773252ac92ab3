"""What PyRadiomics can be told, as a feature set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.radiomics.featureset import Discretisation, FeatureSet, Naming
from petnet.radiomics.pyradiomics.names import CLASS_OF_FAMILY, DEFINITIONS, Definition

__all__ = ["ImageType", "PyRadiomicsSet", "ResegmentMode", "settings_of"]

ResegmentMode = Literal["absolute", "relative", "sigma"]
ImageType = Literal[
    "Original",
    "LoG",
    "Wavelet",
    "Square",
    "SquareRoot",
    "Logarithm",
    "Exponential",
    "Gradient",
]
AGGREGATIONS = ("3D_avg", "3D_comb", "2_5D_avg", "2_5D_comb")
SWITCHES = ("normalise", "resegment_shape", "pre_crop", "gradient_use_spacing", "integer_ct")
#: Settings of a feature set that PyRadiomics does not have, and what they must be.
UNKNOWN: dict[str, Any] = {
    "filters": (),
    "original": True,
    "ivh_bins": None,
    "ivh_bin_width": None,
    "mask_threshold": 0.5,
    "round_hu": False,
}


@dataclass(frozen=True)
class PyRadiomicsSet(FeatureSet):
    """A feature set with PyRadiomics' names, definitions and settings.

    Of `FeatureSet`, `families` are the classes; `aggregations` is one of 3D_avg, 2_5D_avg (force2D)
    and, for weightingNorm = no_weighting, 3D_comb and 2_5D_comb; `bin_width` is PyRadiomics'
    binWidth, whose bins are aligned at `lower_bound` = 0, and `bins` its binCount; `ngldm_alpha` is
    gldm_a; `spacing_mm` and `interpolation` are resampledPixelSpacing and interpolator.

    Attributes
    ----------
    features : sequence of str, optional
        Those wanted, such as "glcm_Imc1"; none takes what PyRadiomics computes by default.
    image_type : str
        What features are computed on.
    sigmas : sequence of float
        In mm, for image_type = LoG. PyRadiomics writes them into names as they are: 1.0 is not 1.
    wavelet : str
        Of PyWavelets, for image_type = Wavelet.
    level, start_level : int
        Levels of the wavelet decomposition, and how many are skipped.
    gradient_use_spacing : bool
    normalise : bool
        Subtract the whole image's mean and divide by its standard deviation, before all else.
    normalise_scale : float
    remove_outliers : float, optional
        Clip the normalised image at so many standard deviations.
    resegment : sequence of one or two floats, optional
        Lowest and highest intensity that stay.
    resegment_mode : {"absolute", "relative", "sigma"}
        In the image's unit, as shares of the region's maximum, or in standard deviations about its
        mean.
    resegment_shape : bool
        Whether shape, too, is that of the re-segmented mask.
    pre_crop : bool
        Crop to the region and `pad_distance` voxels around before anything is filtered.
    pad_distance : int
        Voxels around the region that resampling and cropping keep for filters.
    force_2d_dimension : {0, 1, 2}
        Axis across which nothing is looked at with 2_5D aggregations: z, y or x.
    voxel_array_shift : float
        Added to intensities for energy and root mean square.
    integer_ct : bool
        A CT of whole numbers was stored as integers. PyRadiomics keeps them: what it interpolates
        loses its fraction, and edges of bins are not rounded to float32. False if it was stored as
        floating-point numbers.
    minimum_dimensions : {1, 2, 3}
        Along how many axes a region must have two voxels. Regions below have NaN for everything.
    minimum_voxels : int, optional
        As `minimum_dimensions`: a region must have more voxels than this.

    Raises
    ------
    InputError
        A setting is not what it may be.
    """

    discretisation: Discretisation = "fixed_bin_size"
    aggregations: Sequence[Any] = ("3D_avg",)
    naming: Naming = "pyradiomics"
    features: Sequence[str] | None = None
    image_type: ImageType = "Original"
    sigmas: Sequence[float] = ()
    wavelet: str = "coif1"
    level: int = 1
    start_level: int = 0
    gradient_use_spacing: bool = True
    normalise: bool = False
    normalise_scale: float = 1.0
    remove_outliers: float | None = None
    resegment: Sequence[float] | None = None
    resegment_mode: ResegmentMode = "absolute"
    resegment_shape: bool = False
    pre_crop: bool = False
    pad_distance: int = 5
    force_2d_dimension: int = 0
    voxel_array_shift: float = 0.0
    integer_ct: bool = True
    minimum_dimensions: int = 2
    minimum_voxels: int | None = None

    def __post_init__(self) -> None:
        for name in ("features", "resegment", "sigmas"):
            value = getattr(self, name)
            if isinstance(value, Sequence) and not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))
        super().__post_init__()
        self._check_common()
        self._check_features()
        self._check_own()

    @property
    def force_2d(self) -> bool:
        """Whether texture is looked for within planes alone."""
        return str(self.aggregations[0]).startswith("2_5D")

    @property
    def by_direction(self) -> bool:
        """Whether features are averaged over directions, rather than directions merged."""
        return str(self.aggregations[0]).endswith("avg")

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The features of a column each, on one image."""
        classes = [CLASS_OF_FAMILY[family] for family in self.families]
        chosen = self.features
        return tuple(
            row
            for name in classes
            for row in DEFINITIONS
            if row.radiomics_class == name
            and (row.default if chosen is None else row.key in chosen)
        )

    @property
    def needs_whole(self) -> bool:
        """Whether more of the image is looked at than the region."""
        return self.normalise or self.spacing_mm is not None or self.image_type != "Original"

    @property
    def filters_whole(self) -> bool:
        """Whether a filter sees the whole image, the same for all its regions."""
        cut = self.spacing_mm is not None or self.pre_crop
        return self.image_type != "Original" and not cut

    def _check_common(self) -> None:
        """Refuse what a feature set has and PyRadiomics has not."""
        for field, value in UNKNOWN.items():
            if getattr(self, field) != value:
                raise self._refuse(
                    field, f"{value!r} with naming=pyradiomics", getattr(self, field)
                )
        for family in self.families:
            if family not in CLASS_OF_FAMILY:
                known = sorted(CLASS_OF_FAMILY)
                raise self._refuse("families", f"of {known} with naming=pyradiomics", family)
        if len(self.aggregations) != 1 or self.aggregations[0] not in AGGREGATIONS:
            expected = f"one of {AGGREGATIONS} with naming=pyradiomics"
            raise self._refuse("aggregations", expected, self.aggregations)
        if self.lower_bound not in (None, 0.0):
            expected = "0 with naming=pyradiomics, which aligns its bins there"
            raise self._refuse("lower_bound", expected, self.lower_bound)
        if self.discretisation == "none" and set(self.families) != {"morph"}:
            raise self._refuse("discretisation", "fixed_bin_number or fixed_bin_size", "none")
        if self.resegment_range is not None or self.resegment_sigma is not None:
            raise self._refuse("resegment_range", "null: see resegment", self.resegment_range)

    def _check_features(self) -> None:
        if self.features is None:
            return
        known = {row.key: row for row in DEFINITIONS}
        for key in self.features:
            if key not in known:
                raise self._refuse("features", "PyRadiomics' class_Feature", key)
            families = [CLASS_OF_FAMILY[family] for family in self.families]
            if known[key].radiomics_class not in families:
                raise self._refuse("features", f"features of {families}", key)

    def _check_own(self) -> None:
        choices: dict[str, tuple[Any, ...]] = {
            "image_type": get_args(ImageType),
            "resegment_mode": get_args(ResegmentMode),
            "force_2d_dimension": (0, 1, 2),
            "minimum_dimensions": (1, 2, 3),
            **dict.fromkeys(SWITCHES, (True, False)),
        }
        for field, values in choices.items():
            if getattr(self, field) not in values:
                raise self._refuse(field, f"one of {values}", getattr(self, field))
        self._check_numbers_of("level", 1, whole=True)
        self._check_numbers_of("start_level", 0, whole=True)
        self._check_numbers_of("pad_distance", 0, whole=True)
        self._check_numbers_of("voxel_array_shift", -math.inf)
        self._check_numbers_of("normalise_scale", 0, above=True)
        if self.minimum_voxels is not None:
            self._check_numbers_of("minimum_voxels", 1, whole=True)
        if self.remove_outliers is not None:
            self._check_numbers_of("remove_outliers", 0, above=True)
        limits = self.resegment
        if limits is not None and not (_are_numbers(limits) and len(limits) in (1, 2)):
            raise self._refuse("resegment", "one or two numbers or null", limits)
        self._check_filter()

    def _check_numbers_of(
        self, field: str, least: float, whole: bool = False, above: bool = False
    ) -> None:
        value = getattr(self, field)
        fits = _are_numbers((value,)) and (value > least if above else value >= least)
        if not fits or (whole and type(value) is not int):
            kind = "a whole number" if whole else "a number"
            bound = "" if least == -math.inf else f" above {least}" if above else f" from {least}"
            raise self._refuse(field, kind + bound, value)

    def _check_filter(self) -> None:
        sigmas = self.sigmas
        if not _are_numbers(sigmas) or not all(sigma > 0 for sigma in sigmas):
            raise self._refuse("sigmas", "numbers above 0", sigmas)
        if self.image_type == "LoG" and not sigmas:
            raise self._refuse("sigmas", "one or more numbers above 0", sigmas)
        if self.image_type == "Wavelet":
            import pywt

            known = pywt.wavelist(kind="discrete")
            if self.wavelet not in known:
                raise self._refuse("wavelet", f"one of {', '.join(known)}", self.wavelet)


def _are_numbers(values: Any) -> bool:
    """Whether these are finite numbers, any number of them."""
    return isinstance(values, tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values
    )


def settings_of(feature_set: FeatureSet) -> PyRadiomicsSet:
    """Return a plain feature set with naming=pyradiomics as one with PyRadiomics' defaults.

    Raises
    ------
    InputError
        It has settings that PyRadiomics does not know.
    """
    if isinstance(feature_set, PyRadiomicsSet):
        return feature_set
    if feature_set.naming != "pyradiomics":
        source = f"feature set {feature_set.name!r}"
        raise InputError(source, "naming", "pyradiomics", feature_set.naming)
    given = {field.name: getattr(feature_set, field.name) for field in fields(FeatureSet)}
    resegment: dict[str, Any] = {}
    sigma, range_ = given.pop("resegment_sigma"), given.pop("resegment_range")
    if sigma is not None and range_ is not None:
        source = f"feature set {feature_set.name!r}"
        expected = "a range or outliers with naming=pyradiomics, not both"
        raise InputError(source, "resegment_range", expected, repr(range_))
    if sigma is not None:
        resegment = {"resegment": (-sigma, sigma), "resegment_mode": "sigma"}
    elif range_ is not None:
        resegment = {"resegment": range_}
    return PyRadiomicsSet(**given, **resegment)
