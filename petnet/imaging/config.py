"""Settings of the imaging stage: grid, crop, channels and intensity windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.files import hash_of

__all__ = ["Channel", "Curve", "ImagingConfig", "Window"]

Channel = Literal["pet", "ct", "mask"]
Curve = Literal["linear", "asinh"]


@dataclass(frozen=True)
class Window:
    """How a physical quantity becomes a number in 0..1.

    With x clipped to [low, high], the value is f(x − low) / f(high − low), where f is the
    identity ("linear") or asinh(· / knee) ("asinh": linear below the knee, logarithmic above).

    Attributes
    ----------
    low, high : float
        In the unit of the quantity: SUV or HU.
    curve : {"linear", "asinh"}
    knee : float
        In the same unit; used by "asinh" only.
    """

    low: float
    high: float
    curve: Curve = "linear"
    knee: float = 1.0

    def __post_init__(self) -> None:
        for name in ("low", "high", "knee"):
            _check_finite("window", name, getattr(self, name))
        if not self.low < self.high:
            raise InputError("window", "high", f"more than low ({self.low})", repr(self.high))
        if self.curve not in get_args(Curve):
            raise InputError("window", "curve", f"one of {get_args(Curve)}", repr(self.curve))
        if self.knee <= 0:
            raise InputError("window", "knee", "a number above 0", repr(self.knee))


def _fdg_only() -> Mapping[str, Window]:
    return {"FDG": Window(0.0, 20.0, "asinh", 2.5)}


@dataclass(frozen=True)
class ImagingConfig:
    """What the image of a unit is.

    Attributes
    ----------
    spacing_mm : float
        Edge of the isotropic voxels; voxel centres lie at multiples of it in RAS+ millimetres.
    crop_shape : (X, Y, Z) tuple of int
        Voxels of the crop around the lesion.
    channels : tuple of {"pet", "ct", "mask"}
        In the order of the image's channels.
    pet_windows : mapping of str to Window
        By tracer ("FDG", "FAPI", ...), in SUV.
    ct_window : Window
        In HU.
    antialias : bool
        Smooth each image before it is sampled, along axes finer than the grid, by a Gaussian of
        standard deviation (spacing_mm / native − 1) / 2 native voxels.
    pet_outside_suv, ct_outside_hu : float
        Value where the crop leaves the image.

    Raises
    ------
    InputError
        A value is not what is expected.
    """

    spacing_mm: float = 4.0
    crop_shape: tuple[int, int, int] = (32, 32, 32)
    channels: tuple[Channel, ...] = ("pet", "ct", "mask")
    pet_windows: Mapping[str, Window] = field(default_factory=_fdg_only)
    ct_window: Window = field(default_factory=lambda: Window(-160.0, 240.0))
    antialias: bool = True
    pet_outside_suv: float = 0.0
    ct_outside_hu: float = -1024.0

    def __post_init__(self) -> None:
        _check_finite("imaging", "spacing_mm", self.spacing_mm)
        if self.spacing_mm <= 0:
            raise InputError("imaging", "spacing_mm", "a number above 0", repr(self.spacing_mm))
        for name in ("pet_outside_suv", "ct_outside_hu"):
            _check_finite("imaging", name, getattr(self, name))
        self._set("crop_shape", _shape(self.crop_shape))
        self._set("channels", _channels(self.channels))
        self._set("ct_window", _window("ct_window", self.ct_window))
        if not isinstance(self.pet_windows, Mapping) or not self.pet_windows:
            raise InputError(
                "imaging", "pet_windows", "a window by tracer name", repr(self.pet_windows)
            )
        windows = {
            str(k).upper(): _window(f"pet_windows.{k}", w) for k, w in self.pet_windows.items()
        }
        self._set("pet_windows", windows)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def pet_window(self, tracer: str) -> Window:
        """Return the SUV window of a tracer.

        Raises
        ------
        InputError
            No window is set for it; the message lists those that are.
        """
        window = self.pet_windows.get(tracer.upper())
        if window is None:
            raise InputError(
                "imaging",
                "pet_windows",
                f"a window for tracer {tracer!r}",
                f"windows for {', '.join(sorted(self.pet_windows))} only",
                f"Add imaging.pet_windows.{tracer} with low, high and curve",
            )
        return window

    def geometry_hash(self) -> str:
        """Return the hash of everything but the windows and channels: what the cache holds."""
        settings = asdict(self)
        for name in ("pet_windows", "ct_window", "channels"):
            del settings[name]
        return hash_of(settings)


def _check_finite(source: str, name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise InputError(source, name, "a finite number", repr(value))


def _shape(value: Any) -> tuple[int, int, int]:
    expected = "three whole numbers above 0, e.g. [32, 32, 32]"
    try:
        sizes = tuple(value)
    except TypeError:
        sizes = ()
    if len(sizes) != 3 or any(type(n) is not int or n < 1 for n in sizes):
        raise InputError("imaging", "crop_shape", expected, repr(value))
    return sizes


def _channels(value: Any) -> tuple[Channel, ...]:
    known = get_args(Channel)
    names = () if isinstance(value, str) else tuple(value)
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise InputError("imaging", "channels", f"some of {list(known)}, each once", repr(value))
    return names


def _window(name: str, value: Any) -> Window:
    if isinstance(value, Window):
        return value
    if not isinstance(value, Mapping):
        raise InputError("imaging", name, "low, high, curve and knee", repr(value))
    unknown = set(value) - {"low", "high", "curve", "knee"}
    if unknown or not {"low", "high"} <= set(value):
        raise InputError(
            "imaging", name, "low and high, perhaps curve and knee", repr(sorted(map(str, value)))
        )
    return Window(**value)
