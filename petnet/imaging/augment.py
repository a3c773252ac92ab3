"""Batched augmentation on the device, with randomness keyed by (seed, epoch, sample).

Nothing is drawn from a generator with a state: every number is a hash of what it is for. So a
sample is augmented alike whatever else is in its batch, whatever ran before and after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from petnet.errors import InputError

__all__ = ["Augmentation", "keyed_normal", "keyed_uniform"]

# Streams of the hash, one a purpose, so that switching one augmentation on changes no other.
FLIP, ROTATE, SCALE, TRANSLATE, GAIN, GAMMA, NOISE = range(1, 8)
DEFAULT_CHANNELS = ("pet", "ct", "mask")


@dataclass(frozen=True)
class Augmentation:
    """Random flips, small affine maps and PET intensity changes, each off where it is 0.

    Attributes
    ----------
    flip : bool
        Mirror each of the three axes with probability 1/2.
    rotate_deg : float
        Turn about x, y and z by uniform angles in ± this.
    scale : float
        Zoom by a factor in [1 / (1 + scale), 1 + scale], uniform in its logarithm.
    translate_vox : float
        Shift along each axis by uniform ± this many voxels.
    noise : float
        Standard deviation of the Gaussian noise added to PET channels (normalised units).
    gain : float
        PET channels times a factor in [1 / (1 + gain), 1 + gain], uniform in its logarithm.
    gamma : float
        PET channels to a power in [1 / (1 + gamma), 1 + gamma], likewise; values below 0 keep
        their sign.
    channels : tuple of str, optional
        Names of the image channels; the last part after "_" is the role (pet, ct, mask). None
        takes the first C of pet, ct, mask.
    """

    flip: bool = False
    rotate_deg: float = 0.0
    scale: float = 0.0
    translate_vox: float = 0.0
    noise: float = 0.0
    gain: float = 0.0
    gamma: float = 0.0
    channels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("rotate_deg", "scale", "translate_vox", "noise", "gain", "gamma"):
            value = getattr(self, field)
            if not 0 <= value < float("inf"):
                raise InputError("augmentation", field, "a number, 0 or more", repr(value))
        if self.channels is not None:
            object.__setattr__(self, "channels", tuple(self.channels))

    def for_channels(self, channels: Sequence[str]) -> Augmentation:
        """Return the same augmentation for an image with these channels."""
        return replace(self, channels=tuple(channels))

    def __call__(self, image: Tensor, keys: Tensor, seed: int, epoch: int) -> Tensor:
        """Augment a batch.

        Parameters
        ----------
        image : (B, C, X, Y, Z) float tensor
        keys : (B,) int64 tensor
            What each sample is known by, e.g. its position in the cohort.
        seed, epoch : int

        Returns
        -------
        (B, C, X, Y, Z) tensor
            On the device of `image`; `image` itself where every magnitude is 0.

        Raises
        ------
        InputError
            The shapes of `image`, `keys` and `channels` do not agree.
        """
        roles = self._roles(image, keys)
        state = _state(keys.to(image.device), seed, epoch)
        if self.flip:
            image = _flipped(image, state)
        if self.rotate_deg or self.scale or self.translate_vox:
            masks = [i for i, role in enumerate(roles) if role == "mask"]
            image = self._moved(image, state, masks)
        pets = [i for i, role in enumerate(roles) if role == "pet"]
        if pets and (self.noise or self.gain or self.gamma):
            image = image.clone()
            image[:, pets] = self._recoloured(image[:, pets], state)
        return image

    def _roles(self, image: Tensor, keys: Tensor) -> list[str]:
        if image.ndim != 5 or keys.shape != image.shape[:1]:
            raise InputError(
                "augmentation",
                "shapes",
                "image (B, C, X, Y, Z) and keys (B,)",
                f"{tuple(image.shape)} and {tuple(keys.shape)}",
            )
        names = DEFAULT_CHANNELS[: image.shape[1]] if self.channels is None else self.channels
        if len(names) != image.shape[1]:
            raise InputError("augmentation", "channels", f"{len(names)}: {names}", _shape(image))
        return [name.rsplit("_", 1)[-1] for name in names]

    def _moved(self, image: Tensor, state: Tensor, masks: list[int]) -> Tensor:
        """Resample about the centre; border values go on outside, so that no edge is invented."""
        angles = torch.deg2rad(_symmetric(state, ROTATE, 3) * self.rotate_deg)
        zoom = _factor(state, SCALE, self.scale)
        shift = _symmetric(state, TRANSLATE, 3) * self.translate_vox
        grid = _sampling_grid(_rotation(angles), zoom, shift, tuple(image.shape[2:]))
        moved = grid_sample(
            image, grid.to(image.dtype), "bilinear", padding_mode="border", align_corners=False
        )
        if masks:
            moved[:, masks] = (moved[:, masks] >= 0.5).to(moved.dtype)
        return moved

    def _recoloured(self, pet: Tensor, state: Tensor) -> Tensor:
        if self.gamma:
            power = _factor(state, GAMMA, self.gamma).to(pet.dtype)
            pet = pet.sign() * pet.abs() ** power.view(-1, 1, 1, 1, 1)
        if self.gain:
            pet = pet * _factor(state, GAIN, self.gain).to(pet.dtype).view(-1, 1, 1, 1, 1)
        if self.noise:
            values = keyed_normal(state, NOISE, pet[0].numel(), pet.dtype)
            pet = pet + values.view(pet.shape) * self.noise
        return pet


def _shape(image: Tensor) -> str:
    return f"an image of shape {tuple(image.shape)}"


def _mix(x: Tensor) -> Tensor:
    """Scramble int64 values: the finaliser of SplitMix64 (doi:10.1145/2660193.2660195)."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def _state(keys: Tensor, seed: int, epoch: int) -> Tensor:
    """Return (B,) int64: one scrambled state a sample, from (seed, epoch, key)."""
    state = torch.zeros_like(keys, dtype=torch.int64)
    for part in (seed, epoch, keys.to(torch.int64)):
        signed = part if isinstance(part, Tensor) else _signed(part)
        state = _mix(state - 0x61C8864680B583EB + signed)
    return state


def _signed(value: int) -> int:
    """Fold any integer into the range of int64."""
    return (int(value) + 2**63) % 2**64 - 2**63


def keyed_uniform(state: Tensor, stream: int, n: int) -> Tensor:
    """Return (B, n) float64 in (0, 1): the same for the same state and stream on any device.

    Parameters
    ----------
    state : (B,) int64 tensor
    stream : int
        What the numbers are for.
    n : int
        Numbers a sample.
    """
    start = _mix(state + _signed(stream * 0x9E3779B97F4A7C15))
    steps = torch.arange(1, n + 1, device=state.device, dtype=torch.int64) * -0x61C8864680B583EB
    bits = (_mix(start[:, None] + steps) >> 11) & 0x1FFFFFFFFFFFFF
    return (bits.to(torch.float64) + 0.5) * 2.0**-53


def keyed_normal(state: Tensor, stream: int, n: int, dtype: torch.dtype) -> Tensor:
    """Return (B, n) standard normal values (Box and Muller) of `keyed_uniform`."""
    half = (n + 1) // 2
    u = keyed_uniform(state, stream, 2 * half).to(dtype).clamp(torch.finfo(dtype).tiny, 1.0)
    radius = torch.sqrt(-2.0 * torch.log(u[:, :half]))
    angle = 2.0 * torch.pi * u[:, half:]
    return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)[:, :n]


def _symmetric(state: Tensor, stream: int, n: int) -> Tensor:
    return 2.0 * keyed_uniform(state, stream, n) - 1.0


def _factor(state: Tensor, stream: int, magnitude: float) -> Tensor:
    """Return (B,) factors in [1 / (1 + magnitude), 1 + magnitude], uniform in the logarithm."""
    limit = torch.log1p(torch.tensor(magnitude, dtype=torch.float64, device=state.device))
    return torch.exp(_symmetric(state, stream, 1)[:, 0] * limit)


def _flipped(image: Tensor, state: Tensor) -> Tensor:
    chosen = keyed_uniform(state, FLIP, 3) < 0.5
    for axis in range(3):
        where = chosen[:, axis].view(-1, 1, 1, 1, 1)
        image = torch.where(where, image.flip(axis + 2), image)
    return image


def _rotation(angles: Tensor) -> list[list[Tensor]]:
    """Return Rz·Ry·Rx as 3 × 3 lists of (B,): written out, as bmm may depend on the batch."""
    (cx, cy, cz), (sx, sy, sz) = torch.cos(angles).unbind(1), torch.sin(angles).unbind(1)
    return [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]


def _sampling_grid(
    rotation: list[list[Tensor]], zoom: Tensor, shift: Tensor, shape: tuple[int, ...]
) -> Tensor:
    """Return (B, X, Y, Z, 3) for grid_sample: where each output voxel is read.

    The output at voxel offset p from the centre is the input at R·(p − shift) / zoom; grid_sample
    wants it in units of half the edge, last axis first.
    """
    axes = [torch.arange(n, device=zoom.device, dtype=torch.float64) - (n - 1) / 2.0 for n in shape]
    offsets = torch.meshgrid(*axes, indexing="ij")
    relative = [(offsets[a] - shift[:, a].view(-1, 1, 1, 1)) for a in range(3)]
    inverse = (1.0 / zoom).view(-1, 1, 1, 1)
    read = []
    for a in range(3):
        rows = [rotation[a][b].view(-1, 1, 1, 1) * relative[b] for b in range(3)]
        read.append((rows[0] + rows[1] + rows[2]) * inverse * (2.0 / shape[a]))
    return torch.stack(read[::-1], dim=-1)
