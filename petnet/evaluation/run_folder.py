"""The run folder: named by hash(config, data), so that the same command finds its own work."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from petnet import __version__
from petnet.errors import InputError, PetnetError
from petnet.files import hash_of, write_json, write_text

__all__ = ["RunFolder", "find_runs", "finished_run", "provenance", "run_name"]

log = logging.getLogger(__name__)
FORMAT = 2
NAMED_BY = ("task", "model", "imaging", "features", "cv", "seed", "permute", "device")
PACKAGES = (
    "cupy-cuda12x", "cupy-cuda13x", "hydra-core", "imbalanced-learn", "lightning", "monai",
    "nibabel", "numba", "numpy", "pandas", "scikit-learn", "scipy", "skops", "torch",
    "torchmetrics",
)  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """The files of one run of `petnet train`."""

    path: Path

    @property
    def finished(self) -> bool:
        """Whether the run went through to its end."""
        return (self.path / "done.json").is_file()

    def failures(self) -> int:
        """How many units a finished run had to leave out."""
        found = json.loads((self.path / "done.json").read_text(encoding="utf-8"))
        return int(found["failures"])

    def gallery_file(self, unit: str) -> Path:
        """Where the small pictures of a unit are kept."""
        return self.path / "gallery" / f"{quote(unit, safe='')}.npz"

    def start(self, config_yaml: str) -> None:
        """Make the folder, sweep out what a killed process left half-written, write the config."""
        self.path.mkdir(parents=True, exist_ok=True)
        for left in sorted(self.path.rglob(".tmp-*")):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        write_text(self.path / "config.yaml", config_yaml)

    def finish(self, failures: int) -> None:
        """Mark the run as whole."""
        write_json(self.path / "done.json", {"format": FORMAT, "failures": failures})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; a killed process lets go by itself.

        A mistake that is noticed before any work is done leaves no folder behind.
        """
        made = [p for p in (self.path, *self.path.parents) if not p.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with (self.path / ".lock").open("w") as stream:
                self._lock(stream)
                yield
        except PetnetError:
            if {p.name for p in self.path.iterdir()} <= {".lock", "config.yaml", "log.txt"}:
                _remove(made, self.path)
            raise

    def _lock(self, stream: IO[str]) -> None:
        try:
            import fcntl
        except ImportError:  # no such locks on this platform
            return
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                str(self.path), "run folder", "one process at a time", "another one in it"
            ) from error


def _remove(made: list[Path], folder: Path) -> None:
    """Remove a bare run folder and the empty ones above it, as far as they were made for it."""
    if folder in made:
        shutil.rmtree(folder, ignore_errors=True)
    for above in made[1:]:
        with suppress(OSError):  # another run is in it
            above.rmdir()


def run_name(config: Mapping[str, Any], fingerprint: str) -> str:
    """Return `{task}-{model}-{hash}` of the settings that decide the result, and of the data."""
    relevant = _relevant(config)
    digest = hash_of(FORMAT, __version__, relevant, fingerprint)[:10]
    return f"{config['task']['name']}-{config['model']['name']}-{digest}"


def _relevant(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide a run's results; `trainer` lies in those of the model."""
    seen = {key: config[key] for key in NAMED_BY if key in config}
    if "image" not in config["model"].get("inputs", ["image"]):
        seen.pop("imaging", None)
    return seen


def provenance(
    config: Mapping[str, Any], fingerprint: str, splits_hash: str, seconds: float, **more: Any
) -> dict[str, Any]:
    """Return what a reader needs to tell where a run comes from."""
    return {
        "format": FORMAT,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "petnet": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "device": config["device"],
        "git_revision": _git_revision(),
        "versions": _versions(),
        "cohort": str(Path(config["cohort"]).resolve()),
        "data_fingerprint": fingerprint,
        "config_hash": hash_of(_relevant(config)),
        "splits_hash": splits_hash,
        "seed": config["seed"],
        "permute": config.get("permute"),
        "task": config["task"],
        "model": config["model"]["name"],
        "seconds": round(seconds, 1),
        **more,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git_revision() -> str | None:
    """Revision of a checkout of petnet; None for an installed wheel."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def finished_run(path: Path) -> RunFolder:
    """Return a finished run folder of a format that this version reads.

    Raises
    ------
    InputError
        It is no run folder, is unfinished, or has another format.
    """
    if not (path / "config.yaml").is_file():
        raise InputError(str(path), "run folder", "one made by petnet train", "no config.yaml")
    done = path / "done.json"
    if not done.is_file():
        raise InputError(
            str(path), "run folder", "a finished run", "an unfinished one",
            "Repeat the command that made it; it goes on where it stopped",
        )  # fmt: skip
    found = _format_of(done)
    if found != FORMAT:
        raise InputError(
            str(done), "format of the run folder", str(FORMAT), str(found),
            "Train again with this version of petnet, or use the version that made the run",
        )  # fmt: skip
    return RunFolder(path)


def _format_of(done: Path) -> Any:
    try:
        value = json.loads(done.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(str(done), "content", "JSON", str(error)) from None
    return value.get("format") if isinstance(value, dict) else None


def find_runs(given: list[Path]) -> list[Path]:
    """Return the finished runs among the given folders.

    A folder that holds runs gives those of its newest comparison: the same task, data and folds as
    the run that finished last, in the order in which they finished. Others are named in the log.
    """
    runs: list[Path] = []
    for path in given:
        if (path / "config.yaml").is_file():
            runs.append(finished_run(path).path)
            continue
        below = [done.parent for done in path.glob(f"*{os.sep}done.json")]
        if not below:
            raise InputError(str(path), "run", "a run folder or a folder of finished runs", "none")
        runs += _newest_comparison(_of_this_format(below))
    return runs


def _of_this_format(runs: list[Path]) -> list[Path]:
    """Leave out the runs of other versions, unless there are none but those."""
    found = [run for run in runs if _format_of(run / "done.json") == FORMAT]
    left = sorted(run.name for run in runs if run not in found)
    if found and left:
        log.warning("of another format than %s, not in this report: %s", FORMAT, ", ".join(left))
    return found or runs


def _newest_comparison(runs: list[Path]) -> list[Path]:
    kind_of = {}
    for run in runs:
        known = json.loads((finished_run(run).path / "provenance.json").read_text("utf-8"))
        kind_of[run] = hash_of(known["task"], known["splits_hash"], known["data_fingerprint"])
    by_age = sorted(runs, key=lambda run: (run / "done.json").stat().st_mtime_ns)
    chosen = [run for run in by_age if kind_of[run] == kind_of[by_age[-1]]]
    left = sorted(run.name for run in runs if run not in chosen)
    if left:
        log.warning(
            "another task, other data or other folds, not in this report: %s", ", ".join(left)
        )
    return chosen
