"""Saving and loading a model of any class; the class is found by name among the known ones."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.files import intact, write_json
from petnet.models.protocol import Model

__all__ = ["known_models", "load_model", "save_model"]

BUILT_IN = (
    "petnet.models.classical:ClassicalModel",
    "petnet.models.deep:DeepModel",
)


def known_models() -> tuple[str, ...]:
    """Model classes of petnet and those registered under the entry point `petnet.models`."""
    return (*BUILT_IN, *sorted(e.value for e in entry_points(group="petnet.models")))


def save_model(model: Model, folder: Path) -> None:
    """Write a fitted model into `folder`, whole or not at all."""
    temporary = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    model.save(temporary)
    kind = type(model)
    write_json(temporary / "class.json", {"class": f"{kind.__module__}:{kind.__qualname__}"})
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def load_model(folder: Path) -> Model:
    """Read a model written by `save_model`.

    Raises
    ------
    InputError
        The folder is no model, or its class is not a known one.
    """
    description = folder / "class.json"
    if not description.is_file():
        raise InputError(str(folder), "class.json", "a saved model", "no such file")
    with intact(description, "the class of a saved model"):
        name = json.loads(description.read_text(encoding="utf-8"))["class"]
    if name not in known_models():
        raise InputError(str(description), "class", f"one of {list(known_models())}", repr(name))
    module, attribute = name.split(":")
    kind: Any = getattr(import_module(module), attribute)
    with intact(folder, "a saved model"):
        model: Model = kind.load(folder)
    return model
