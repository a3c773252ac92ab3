"""3D image encoders: crops (B, C, X, Y, Z) in, feature vectors (B, features) out.

An encoder is a module made with `in_channels` and `shape` (of the crops) beside its own settings;
its attribute `features` is the length of what it returns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from petnet.errors import InputError
from petnet.models.parts import build, locate

__all__ = ["MonaiEncoder", "SmallResNet", "batch_to_group_norm"]


def _group_norm(groups: int, channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(groups, channels), channels)


class _Block(nn.Module):
    """Two 3×3×3 convolutions beside a shortcut (He et al., doi:10.1109/CVPR.2016.90)."""

    def __init__(self, before: int, after: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(before, after, 3, stride, 1, bias=False)
        self.norm1 = _group_norm(groups, after)
        self.conv2 = nn.Conv3d(after, after, 3, 1, 1, bias=False)
        self.norm2 = _group_norm(groups, after)
        same = before == after and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Conv3d(before, after, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.norm1(self.conv1(x)))
        return relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """A residual network for small cohorts and small crops.

    Group normalisation, since batches are small; averaging over space at the end, so that crops
    may have any shape. Every operation has a deterministic form on CUDA.

    Parameters
    ----------
    in_channels : int
    shape : (X, Y, Z) of int, optional
        Not used; every encoder is offered it.
    widths : sequence of int
        Channels of each stage; every stage but the first halves the resolution.
    stem_stride : int
        Stride of the first convolution.
    groups : int
        Groups of the normalisation, at most.
    """

    def __init__(
        self,
        in_channels: int,
        shape: Sequence[int] | None = None,
        widths: Sequence[int] = (8, 16, 32),
        stem_stride: int = 2,
        groups: int = 4,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv3d(in_channels, widths[0], 3, stem_stride, 1, bias=False)
        self.norm = _group_norm(groups, widths[0])
        before = [widths[0], *widths[:-1]]
        self.stages = nn.Sequential(
            *(
                _Block(a, b, 1 if i == 0 else 2, groups)
                for i, (a, b) in enumerate(zip(before, widths, strict=True))
            )
        )
        self.features = int(widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, features)."""
        x = relu(self.norm(self.stem(image)))
        return cast(Tensor, self.stages(x).mean((2, 3, 4)))


class MonaiEncoder(nn.Module):
    """Any MONAI network as an encoder, by its settings.

    What the network returns is averaged over space where it has any (of a list, the last); a
    classification network's outputs are taken as features, so give it as many as wanted
    (`feed_forward: false` or `out_channels` / `num_classes`).

    Parameters
    ----------
    net : mapping
        `_target_` under monai.networks.nets and its arguments; the number of input channels is
        filled in.
    in_channels : int
    shape : (X, Y, Z) of int
        Of the crops; a dry pass finds the number of features.
    group_norm : int, optional
        Replace batch normalisation by group normalisation with at most this many groups, as suits
        small batches; None leaves the network as built (and fit for published weights).

    Raises
    ------
    InputError
        The network cannot take crops of this shape.
    """

    def __init__(
        self,
        net: Mapping[str, Any],
        in_channels: int,
        shape: Sequence[int],
        group_norm: int | None = None,
    ) -> None:
        super().__init__()
        self.net = build(net, **{_channels_argument(net): in_channels})
        if group_norm is not None:
            batch_to_group_norm(self.net, group_norm)
        self.features = self._dry_pass(in_channels, shape)

    def _dry_pass(self, in_channels: int, shape: Sequence[int]) -> int:
        self.eval()
        try:
            with torch.no_grad():
                features = self(torch.zeros(1, in_channels, *shape)).shape[1]
        except (RuntimeError, ValueError) as error:
            raise InputError(
                "setting", type(self.net).__name__, f"crops it can take, not {tuple(shape)}",
                str(error).splitlines()[0],
            ) from error  # fmt: skip
        self.train()
        return int(features)

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, features)."""
        found = self.net(image)
        if isinstance(found, list | tuple):
            found = found[-1]
        x = cast(Tensor, found)
        return x.flatten(2).mean(2) if x.ndim > 2 else x


def batch_to_group_norm(module: nn.Module, groups: int) -> None:
    """Replace every batch normalisation inside `module` by group normalisation, in place.

    Needed beside MONAI's `norm` arguments: `ResNet` of MONAI 1.6 hands its `norm` to the stem only.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            setattr(module, name, _group_norm(groups, child.num_features))
        else:
            batch_to_group_norm(child, groups)


def _channels_argument(net: Mapping[str, Any]) -> str:
    """Return what the network calls its number of input channels."""
    import inspect

    names = inspect.signature(locate(str(net.get("_target_")))).parameters
    return "in_channels" if "in_channels" in names else "n_input_channels"
