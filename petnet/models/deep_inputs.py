"""What a deep model asks of its settings and of the units it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petnet.errors import InputError
from petnet.files import hash_of
from petnet.models.protocol import ImageSource, Samples

__all__ = ["check_inputs", "checked_target", "fingerprint", "required_images"]

_INPUTS = ("image", "radiomics", "clinical")


def fingerprint(
    config: Mapping[str, Any], train: Samples, batch: Mapping[str, Tensor], seed: int
) -> str:
    """Hash all that a fit depends on, so that no other fit's checkpoint is resumed."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(batch):
        digest.update(np.ascontiguousarray(batch[name].cpu().numpy()).data)
    digest.update(np.ascontiguousarray(train.target).data)
    return hash_of(config, list(train.ids), seed, digest.hexdigest())


def required_images(images: ImageSource | None, name: str) -> ImageSource:
    """Return the source of crops, or say that the model needs one."""
    if images is None:
        raise InputError(f"model {name}", "images", "crops, as it has an image branch", "none")
    return images


def check_inputs(config: Mapping[str, Any]) -> None:
    """Refuse unknown inputs and inputs without a branch."""
    inputs, branch_of = config["inputs"], {"image": "encoder"}
    unknown = sorted(set(inputs) - set(_INPUTS))
    if unknown or not inputs:
        raise InputError("model", "inputs", f"some of {', '.join(_INPUTS)}", f"{unknown or inputs}")
    for name in inputs:
        setting = branch_of.get(name, name)
        if config[setting] is None:
            raise InputError(
                "model", setting, f"a branch with _target_, as inputs has {name}", "none"
            )


def checked_target(train: Samples) -> Tensor:
    """Return the training targets as float32, or say which units have none."""
    target = np.asarray(train.target, dtype=np.float64)
    unknown = [unit for unit, t in zip(train.ids, target, strict=True) if t not in (0.0, 1.0)]
    if unknown:
        raise InputError(
            "targets", "target", "0 or 1 for every training unit", f"not so: {unknown[:5]}"
        )
    if len(set(target.tolist())) < 2:
        raise InputError("targets", "target", "both classes in the training part", "only one")
    return torch.as_tensor(target, dtype=torch.float32)
