"""What a deep model asks of its settings and of the units it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from glob import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from petnet.errors import InputError
from petnet.files import hash_of
from petnet.models.protocol import ImageSource, Samples
from petnet.outcome import Outcome

__all__ = ["check_inputs", "checked_target", "fingerprint", "patterns", "required_images"]

_INPUTS = ("image", "radiomics", "clinical")


def fingerprint(
    config: Mapping[str, Any], train: Samples, batch: Mapping[str, Tensor], seed: int
) -> str:
    """Hash all that a fit depends on, so that no other fit's checkpoint is resumed."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(batch):
        digest.update(np.ascontiguousarray(batch[name].cpu().numpy()).data)
    digest.update(np.ascontiguousarray(train.target).data)
    outcome = [train.outcome.kind, *train.outcome.labels]
    return hash_of(config, outcome, list(train.ids), seed, digest.hexdigest())


def required_images(images: ImageSource | None, name: str) -> ImageSource:
    """Return the source of crops, or say that the model needs one."""
    if images is None:
        raise InputError(f"model {name}", "images", "crops, as it has an image branch", "none")
    return images


def patterns(include: Any, outcome: Outcome) -> list[str] | None:
    """Return the shell patterns of a setting, which may be nested lists; None for all columns.

    One network learns all labels of a multilabel task: "{label}" stands for each of them.
    """
    if include is None:
        return None
    if not isinstance(include, str):
        return [pattern for part in include for pattern in patterns(part, outcome) or ()]
    if outcome.kind != "multilabel" or "{label}" not in include:
        return [include]
    return [include.replace("{label}", escape(label)) for label in outcome.labels]


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


def checked_target(train: Samples) -> NDArray[np.float64]:
    """Return the training targets, or say what they lack to be learned from.

    A class may be absent, and a label may have one value only: the head deals with that.

    Raises
    ------
    InputError
        A target is missing or none of the kind's values; there are not two classes, or none of
        the labels has both values, or a label none, or there is no event.
    """
    outcome, target = train.outcome, np.asarray(train.target, dtype=np.float64)
    allowed = _allowed(outcome, target) & outcome.known(target)
    if not allowed.all():
        unknown = [unit for unit, fine in zip(train.ids, allowed, strict=True) if not fine]
        values = _VALUES.get(outcome.kind, f"0 to {len(outcome.labels) - 1}")
        expected = f"{values} for every training unit"
        raise InputError("targets", "target", expected, f"not so: {unknown[:5]}")
    if outcome.kind == "survival" and not target[:, 1].any():
        raise InputError("targets", "target", "an event in the training part", "none")
    if outcome.kind == "multilabel":
        _check_labels(outcome, target)
    elif outcome.kind != "survival" and len(np.unique(target)) < 2:
        raise InputError("targets", "target", _CLASSES[outcome.kind], "only one")
    return target


_VALUES = {
    "binary": "0 or 1",
    "multilabel": "0, 1 or unknown, of some label,",
    "survival": "a time and 0 or 1",
}
_CLASSES = {
    "binary": "both classes in the training part",
    "multiclass": "two or more classes in the training part",
    "ordinal": "two or more classes in the training part",
}


def _allowed(outcome: Outcome, target: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) bool: which units have nothing but values of the kind, or unknown ones."""
    if outcome.by_class:
        return np.isin(target, np.arange(len(outcome.labels)))
    if outcome.kind == "survival":
        return np.isfinite(target[:, 0]) & np.isin(target[:, 1], (0.0, 1.0))
    fine = np.isin(target, (0.0, 1.0)) | np.isnan(target)
    return np.asarray(fine.reshape(len(target), -1).all(axis=1))


def _check_labels(outcome: Outcome, target: NDArray[np.float64]) -> None:
    """Refuse a label of which nothing is known, and labels that do not vary at all."""
    unknown = np.isnan(target).all(axis=0)
    if unknown.any():
        label = outcome.labels[int(unknown.argmax())]
        raise InputError("targets", label, "a known value in the training part", "none")
    if (np.nanmin(target, axis=0) == np.nanmax(target, axis=0)).all():
        expected = "both values of some label in the training part"
        raise InputError("targets", "target", expected, "one value for each")
