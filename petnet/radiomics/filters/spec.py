"""The settings of the filters, one frozen dataclass for each kind, checked when made.

Every field is a plain YAML value. `name` holds every setting that is not the default, so that
different settings have different names: it becomes the image part of a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from petnet.radiomics.filters.boundary import Boundary
from petnet.radiomics.filters.checks import (
    Pooling,
    boundary_part,
    check_boundary,
    check_dimension,
    check_level,
    check_pooling,
    dimension_part,
    is_number,
    is_whole,
    join,
    pooling_part,
    refuse,
    settle_positive,
    spell,
)

__all__ = [
    "LAWS_KERNELS",
    "Filter",
    "Gabor",
    "LaplacianOfGaussian",
    "Laws",
    "Mean",
    "Pooling",
    "Riesz",
    "SeparableWavelet",
    "Simoncelli",
]

#: Level, edge, spot, wave, ripple; before the scaling to unit Euclidean length.
LAWS_KERNELS: dict[str, tuple[int, ...]] = {
    "L3": (1, 2, 1),
    "E3": (-1, 0, 1),
    "S3": (-1, 2, -1),
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}


@dataclass(frozen=True)
class Mean:
    """The mean of a box around each voxel (IBSI S60F).

    Attributes
    ----------
    support : int
        Edge of the box in voxels; odd.
    dimension : {2, 3}
        2 filters slice by slice.
    boundary : {"mirror", "nearest", "periodic", "zero"}
    """

    support: int
    dimension: int = 3
    boundary: Boundary = "mirror"
    code: ClassVar[str] = "S60F"

    def __post_init__(self) -> None:
        if not (is_whole(self.support, 1) and self.support % 2):
            raise refuse(self, "support", "an odd number of voxels", self.support)
        check_dimension(self, self.dimension)
        check_boundary(self, self.boundary)

    @property
    def name(self) -> str:
        """As in `mean_5`, `mean_5_2d_zero`."""
        return join(
            "mean", self.support, dimension_part(self.dimension), boundary_part(self.boundary)
        )


@dataclass(frozen=True)
class LaplacianOfGaussian:
    """The Laplacian of a Gaussian, per voxel² (IBSI L6PA).

    Attributes
    ----------
    sigma_mm : float
        Standard deviation of the Gaussian.
    truncate_sigmas : float
        The kernel is cut at this many standard deviations, rounded to whole voxels.
    dimension : {2, 3}
        2 filters slice by slice.
    boundary : {"mirror", "nearest", "periodic", "zero"}
    """

    sigma_mm: float
    truncate_sigmas: float = 4.0
    dimension: int = 3
    boundary: Boundary = "mirror"
    code: ClassVar[str] = "L6PA"

    def __post_init__(self) -> None:
        settle_positive(self, "sigma_mm", "truncate_sigmas")
        check_dimension(self, self.dimension)
        check_boundary(self, self.boundary)

    @property
    def name(self) -> str:
        """As in `log_3mm`, `log_1p5mm_2d_nearest`."""
        cut = "" if self.truncate_sigmas == 4 else f"cut{spell(self.truncate_sigmas)}"
        size = f"{spell(self.sigma_mm)}mm"
        return join("log", size, cut, dimension_part(self.dimension), boundary_part(self.boundary))


@dataclass(frozen=True)
class Laws:
    """A product of Laws kernels, and its texture energy (IBSI JTXT).

    Attributes
    ----------
    kernel : str
        Two (slice by slice) or three of L3, E3, S3, L5, E5, S5, W5, R5: along x, y and z.
    pooling : {"average", "max"}, optional
        Over the 4 (2D) or 24 (3D) right-angle rotations; none leaves the kernel as it stands. The
        average is zero everywhere if some of the kernels are odd (E, W) and others even.
    energy_distance : int, optional
        Chebyshev distance δ in voxels: the response becomes the mean of its absolute values in a
        box of 2δ + 1 voxels a side.
    boundary : {"mirror", "nearest", "periodic", "zero"}
    """

    kernel: str
    pooling: Pooling | None = None
    energy_distance: int | None = None
    boundary: Boundary = "mirror"
    code: ClassVar[str] = "JTXT"

    def __post_init__(self) -> None:
        kernel = self.kernel
        parts = (
            [kernel[i : i + 2] for i in range(0, len(kernel), 2)] if isinstance(kernel, str) else []
        )
        if len(parts) not in (2, 3) or not set(parts) <= set(LAWS_KERNELS):
            raise refuse(self, "kernel", f"two or three of {', '.join(LAWS_KERNELS)}", kernel)
        check_pooling(self, self.pooling)
        if self.energy_distance is not None and not is_whole(self.energy_distance, 1):
            raise refuse(
                self, "energy_distance", "a whole number of voxels or null", self.energy_distance
            )
        check_boundary(self, self.boundary)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of the kernels along x, y and z."""
        return tuple(self.kernel[i : i + 2] for i in range(0, len(self.kernel), 2))

    @property
    def dimension(self) -> int:
        """2 or 3, the number of kernels."""
        return len(self.kernels)

    @property
    def name(self) -> str:
        """As in `laws_l5e5`, `laws_l5e5s5_3d_max_energy7`."""
        energy = "" if self.energy_distance is None else f"energy{self.energy_distance}"
        pooling = pooling_part(self.dimension, self.pooling)
        return join("laws", self.kernel.lower(), pooling, energy, boundary_part(self.boundary))


@dataclass(frozen=True)
class Gabor:
    """The modulus of the response to a complex Gabor kernel in slices (IBSI Q88H).

    Attributes
    ----------
    sigma_mm, wavelength_mm : float
        Standard deviation of the envelope and wavelength of the wave, along the wave.
    gamma : float
        The envelope's standard deviation across the wave is sigma_mm / gamma.
    theta_deg : float, optional
        The one orientation, from x towards y.
    theta_step_deg : float, optional
        Instead: pool over orientations with this step from 0 to below 180°; opposite ones have
        the same modulus. It must divide 180.
    pooling : {"average", "max"}
        Over orientations.
    orthogonal_planes : bool
        Average over the filtered (x, y), (y, z) and (x, z) slices instead of (x, y) alone.
    boundary : {"mirror", "nearest", "periodic", "zero"}
    """

    sigma_mm: float
    wavelength_mm: float
    gamma: float = 1.0
    theta_deg: float | None = None
    theta_step_deg: float | None = None
    pooling: Pooling = "average"
    orthogonal_planes: bool = False
    boundary: Boundary = "mirror"
    code: ClassVar[str] = "Q88H"

    def __post_init__(self) -> None:
        settle_positive(self, "sigma_mm", "wavelength_mm", "gamma")
        if (self.theta_deg is None) == (self.theta_step_deg is None):
            found = (self.theta_deg, self.theta_step_deg)
            raise refuse(self, "theta_deg, theta_step_deg", "one of the two", found)
        if self.theta_step_deg is not None:
            settle_positive(self, "theta_step_deg")
            if not (180 / self.theta_step_deg).is_integer():
                raise refuse(self, "theta_step_deg", "a divisor of 180", self.theta_step_deg)
        elif not is_number(self.theta_deg):
            raise refuse(self, "theta_deg", "a number or null", self.theta_deg)
        else:
            object.__setattr__(self, "theta_deg", float(self.theta_deg or 0))
            if self.pooling == "max":
                raise refuse(self, "pooling", "average with one orientation", self.pooling)
        if self.pooling not in get_args(Pooling):
            raise refuse(self, "pooling", f"one of {get_args(Pooling)}", self.pooling)
        if not isinstance(self.orthogonal_planes, bool):
            raise refuse(self, "orthogonal_planes", "true or false", self.orthogonal_planes)
        check_boundary(self, self.boundary)

    @property
    def thetas_deg(self) -> tuple[float, ...]:
        """All orientations."""
        if self.theta_step_deg is None:
            return (self.theta_deg or 0.0,)
        return tuple(self.theta_step_deg * i for i in range(round(180 / self.theta_step_deg)))

    @property
    def name(self) -> str:
        """As in `gabor_5mm_wave2mm_gamma1p5_step22p5_average_planes`."""
        if self.theta_step_deg is None:
            orientation = f"theta{spell(self.theta_deg or 0.0)}"
        else:
            orientation = f"step{spell(self.theta_step_deg)}_{self.pooling}"
        return join(
            "gabor",
            f"{spell(self.sigma_mm)}mm",
            f"wave{spell(self.wavelength_mm)}mm",
            f"gamma{spell(self.gamma)}",
            orientation,
            "planes" if self.orthogonal_planes else "",
            boundary_part(self.boundary),
        )


@dataclass(frozen=True)
class SeparableWavelet:
    """A sub-band of a separable wavelet transform without decimation (IBSI 25BO).

    Attributes
    ----------
    wavelet : str
        An orthogonal family of PyWavelets: haar, db2, coif1, sym4, ...
    subband : str
        L (low-pass) or H (high-pass) for x and y (slice by slice) or x, y and z.
    level : int
        From 1; levels below it are low-pass along every axis.
    pooling : {"average", "max"}, optional
        Over the 4 (2D) or 24 (3D) right-angle rotations; none leaves the kernel as it stands.
    boundary : {"mirror", "nearest", "periodic", "zero"}
    """

    wavelet: str
    subband: str
    level: int = 1
    pooling: Pooling | None = None
    boundary: Boundary = "mirror"
    code: ClassVar[str] = "25BO"

    def __post_init__(self) -> None:
        if not isinstance(self.wavelet, str) or not _is_orthogonal(self.wavelet):
            expected = "an orthogonal wavelet of PyWavelets (haar, db2, coif1, sym4, ...)"
            raise refuse(self, "wavelet", expected, self.wavelet)
        subband = self.subband
        if not (isinstance(subband, str) and len(subband) in (2, 3) and set(subband) <= {"L", "H"}):
            raise refuse(self, "subband", "two or three of the letters L and H", subband)
        check_level(self, self.level)
        check_pooling(self, self.pooling)
        check_boundary(self, self.boundary)

    @property
    def dimension(self) -> int:
        """2 or 3, the number of letters."""
        return len(self.subband)

    @property
    def name(self) -> str:
        """As in `wavelet_db2_lhl_1`, `wavelet_db2_lhl_1_3d` (averaged), `..._3d_max`."""
        pooling = pooling_part(self.dimension, self.pooling).removesuffix("_average")
        band = self.subband.lower()
        return join(
            "wavelet", self.wavelet, band, self.level, pooling, boundary_part(self.boundary)
        )


@dataclass(frozen=True)
class Simoncelli:
    """A band-pass of Simoncelli's non-separable wavelets (IBSI PRT7).

    Attributes
    ----------
    level : int
        From 1, the band of the highest frequencies (B1); each further one is an octave lower.
    dimension : {2, 3}
        2 filters slice by slice.
    boundary : {"periodic", "mirror", "nearest", "zero"}
        IBSI's reference values are periodic.
    """

    level: int
    dimension: int = 3
    boundary: Boundary = "periodic"
    code: ClassVar[str] = "PRT7"

    def __post_init__(self) -> None:
        check_level(self, self.level)
        check_dimension(self, self.dimension)
        check_boundary(self, self.boundary)

    @property
    def name(self) -> str:
        """As in `simoncelli_b1`, `simoncelli_b2_2d_mirror`."""
        edge = boundary_part(self.boundary, default="periodic")
        return join("simoncelli", f"b{self.level}", dimension_part(self.dimension), edge)


@dataclass(frozen=True)
class Riesz:
    """A component of the Riesz transform, not steered (IBSI AYRS).

    Of the image itself; of its Laplacian of a Gaussian with `sigma_mm`; of a Simoncelli band with
    `level`.

    Attributes
    ----------
    order : sequence of two or three ints
        How often along x, y (slice by slice) or x, y, z: (1, 0, 0) is the derivative-like first
        order along x.
    sigma_mm : float, optional
    truncate_sigmas : float
        As in `LaplacianOfGaussian`.
    level : int, optional
        As in `Simoncelli`.
    boundary : {"mirror", "nearest", "periodic", "zero"}
    """

    order: Sequence[int]
    sigma_mm: float | None = None
    level: int | None = None
    truncate_sigmas: float = 4.0
    boundary: Boundary = "mirror"
    code: ClassVar[str] = "AYRS"

    def __post_init__(self) -> None:
        order: Any = self.order
        if isinstance(order, Sequence):
            object.__setattr__(self, "order", tuple(order))  # lists come from YAML
        fits = isinstance(self.order, tuple) and len(self.order) in (2, 3)
        if not (fits and all(is_whole(n, 0) for n in self.order) and 1 <= sum(self.order) <= 9):
            expected = "two or three whole numbers that sum to 1 to 9"
            raise refuse(self, "order", expected, order)
        if self.sigma_mm is not None and self.level is not None:
            expected = "at most one of the two"
            raise refuse(self, "sigma_mm, level", expected, (self.sigma_mm, self.level))
        if self.sigma_mm is not None:
            settle_positive(self, "sigma_mm")
        if self.level is not None:
            check_level(self, self.level)
        settle_positive(self, "truncate_sigmas")
        if self.sigma_mm is None and self.truncate_sigmas != 4:
            raise refuse(self, "truncate_sigmas", "4 without sigma_mm", self.truncate_sigmas)
        check_boundary(self, self.boundary)

    @property
    def dimension(self) -> int:
        """2 or 3, the number of orders."""
        return len(self.order)

    @property
    def name(self) -> str:
        """As in `riesz_100`, `riesz_020_log_3mm_zero`, `riesz_020_simoncelli_b1`."""
        of = ""
        if self.sigma_mm is not None:
            of = LaplacianOfGaussian(self.sigma_mm, self.truncate_sigmas).name
        elif self.level is not None:
            of = Simoncelli(self.level).name
        return join("riesz", "".join(map(str, self.order)), of, boundary_part(self.boundary))


Filter = Mean | LaplacianOfGaussian | Laws | Gabor | SeparableWavelet | Simoncelli | Riesz


def _is_orthogonal(wavelet: str) -> bool:
    import pywt

    return wavelet in pywt.wavelist(kind="discrete") and bool(pywt.Wavelet(wavelet).orthogonal)
