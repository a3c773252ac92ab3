"""Writing whole files or none, and naming them by their content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.errors import InputError, PetnetError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "atomic_path",
    "cannot_write",
    "check_writable",
    "check_writable_folder",
    "config_folder",
    "content_hash",
    "hash_of",
    "intact",
    "json_text",
    "path_text",
    "read_json",
    "write_csv",
    "write_json",
    "write_text",
]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` only on success.

    The temporary name keeps the suffixes of `path`, since writers choose their format by them.

    Raises
    ------
    InputError
        The file cannot be written: no such folder, no permission, no room.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=".tmp-", suffix="".join(path.suffixes), dir=path.parent
        )
    except OSError as error:
        raise cannot_write(path, _words(error)) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except PetnetError:
        raise
    except Exception as error:
        reason = _write_failure(error, (str(temporary), str(path))) or _refusal(temporary)
        if reason:
            raise cannot_write(path, reason) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, field: str = "out") -> None:
    """Refuse a file that could not be written later; leaves nothing behind.

    Raises
    ------
    InputError
        It is a folder, lies below a file, or its folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(str(path), field, "the name of a file", "a folder")
    check_writable_folder(path.parent, field)


def check_writable_folder(path: Path, field: str = "out") -> None:
    """Refuse a folder in which no file could be made later; leaves nothing behind.

    Raises
    ------
    InputError
        It, or what it would lie in, is a file or cannot be written.
    """
    nearest = Path(path).absolute()
    try:
        while not nearest.exists():
            nearest = nearest.parent
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise InputError(str(path), field, "a folder", _words(error)) from error
    if not nearest.is_dir():
        raise InputError(str(path), field, "a folder", f"{nearest} is a file")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(str(path), field, "a folder that can be written", _words(error)) from error


def cannot_write(path: Path, reason: str) -> InputError:
    """Return the error that says of a file that it could not be written, and why."""
    return InputError(str(path), "file", "one that can be written, with room for it", reason)


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _write_failure(error: BaseException | None, names: tuple[str, ...]) -> str | None:
    """Return why the system refused to write, where that is what an error is about.

    Writers of other people's wrap the system's own error, or keep only its number in their words.
    """
    while error is not None:
        if isinstance(error, OSError) and error.filename in (None, *names):
            return os.strerror(error.errno) if error.errno else _words(error)
        number = re.search(r"os error (\d+)", str(error))
        if number:
            return os.strerror(int(number.group(1)))
        error = error.__cause__ or error.__context__
    return None


def _refusal(temporary: Path) -> str | None:
    """Return why no more can be written, for writers that only say that they failed."""
    try:
        with temporary.open("ab") as stream:
            stream.write(bytes(2**20))
    except OSError as error:
        return _words(error)
    return None


@contextmanager
def intact(path: Path, expected: str) -> Iterator[None]:
    """Name the file of which a parser says, in its own words, that it is damaged or foreign.

    Raises
    ------
    InputError
        What is read inside is no JSON, CSV, YAML, Parquet or archive, or lacks an entry.
    """
    import zipfile

    import yaml  # type: ignore[import-untyped]

    broken = (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, yaml.YAMLError)
    try:
        yield
    except broken as error:
        found = f"other content ({type(error).__name__}: {error})"
        raise InputError(str(path), "content", expected, found) from error


def read_json(path: Path) -> Any:
    """Read a JSON file that petnet wrote; an `InputError` names it if it is damaged."""
    with intact(path, "JSON that petnet wrote"):
        return json.loads(path.read_text(encoding="utf-8"))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, sorted and indented, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return JSON, sorted and indented."""
    return json.dumps(value, indent=2, sort_keys=True, default=str) + "\n"


def write_csv(path: Path, table: pd.DataFrame, index: bool = False) -> None:
    """Write a table as CSV, whole or not at all."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=index)


def config_folder() -> Path:
    """Return the folder of the Hydra configs: beside a checkout, or inside an installed wheel."""
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "configs", package / "configs"):
        if (folder / "config.yaml").is_file():
            return folder
    raise PetnetError(f"no configs beside {package} or in it: the installation is incomplete")


def path_text(path: Path) -> str:
    r"""Return a path, with slashes, as text that UTF-8 can hold.

    Bytes that are no UTF-8, as old systems leave them in names, become "\xfc" and the like.
    """
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def content_hash(path: Path) -> str:
    """Return 32 hexadecimal digits (BLAKE2b) of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def hash_of(*parts: Any) -> str:
    """Return 32 hexadecimal digits of JSON-like values; the same for the same values anywhere."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
