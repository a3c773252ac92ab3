"""Fitted scikit-learn estimators on disk: skops, trusted types only, the same bytes every time."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.files import atomic_path

__all__ = ["dump_estimator", "load_estimator"]

EPOCH = (1980, 1, 1, 0, 0, 0)


def dump_estimator(estimator: Any, path: Path) -> None:
    """Write an estimator; equal estimators give equal files.

    skops numbers objects by their memory address and stamps the archive with the time; both are
    replaced here, addresses by their order of appearance.
    """
    import skops.io as sio

    with zipfile.ZipFile(io.BytesIO(sio.dumps(estimator))) as source:
        members = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(members.pop("schema.json"))
    files: dict[str, str] = {}
    schema = _renumber(schema, {}, files)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as out:
        text = json.dumps(schema, indent=1).encode()
        out.writestr(zipfile.ZipInfo("schema.json", EPOCH), text)
        for name in sorted(members, key=lambda n: files.get(n, n)):
            out.writestr(zipfile.ZipInfo(files.get(name, name), EPOCH), members[name])


def _renumber(value: Any, ids: dict[int, int], files: dict[str, str]) -> Any:
    """Replace `__id__` numbers and the file names made from them, in order of appearance."""
    if isinstance(value, list):
        return [_renumber(v, ids, files) for v in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, part in value.items():
        if key == "__id__":
            made[key] = ids.setdefault(part, len(ids) + 1)
        elif key == "file" and isinstance(part, str):
            made[key] = files.setdefault(part, f"{len(files) + 1}{Path(part).suffix}")
        else:
            made[key] = _renumber(part, ids, files)
    return made


def load_estimator(path: Path, trusted: Sequence[str]) -> Any:
    """Read an estimator whose types all start with one of the trusted prefixes."""
    import skops.io as sio

    unknown = sio.get_untrusted_types(file=path)
    foreign = [name for name in unknown if not name.startswith(tuple(trusted))]
    if foreign:
        raise InputError(str(path), "types", f"types of {list(trusted)}", f"{foreign}")
    return sio.load(path, trusted=unknown)
