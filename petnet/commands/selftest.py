"""`petnet selftest`: whether this installation is whole and computes what the standard says."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from petnet import __version__
from petnet.devices import Device
from petnet.files import write_csv
from petnet.radiomics import selftest
from petnet.radiomics.kernels.dispatch import resolve_device

if TYPE_CHECKING:
    from omegaconf import DictConfig


CONSENSUS = "IBSI-1 digital phantom, doi:10.1148/radiol.2020191145"


@dataclass(frozen=True)
class Check:
    """A line of the self-test: what was looked at, what should be there, what is."""

    part: Literal["environment", "device", "ibsi", "cpu = gpu"]
    what: str
    expected: str
    found: str
    passed: bool


def run(config: DictConfig) -> int:
    """Print and write every check; returns the number of those that failed."""
    devices = _devices(config.device)
    checks = [*_environment(), *_device_lines(), *_ibsi(devices), *_agreement(devices)]
    for line in _lines(checks):
        print(line)
    failed = sum(not check.passed for check in checks)
    print(f"petnet {__version__} on {', '.join(devices)}: {_verdict(checks, failed)}")
    if config.out:
        write_csv(Path(config.out), pd.DataFrame([vars(check) for check in checks]))
    return failed


def _verdict(checks: Sequence[Check], failed: int) -> str:
    ibsi = [check for check in checks if check.part == "ibsi"]
    within = sum(check.passed for check in ibsi)
    whole = "passed" if not failed else f"FAILED ({failed} of {len(checks)} checks)"
    return f"{whole}; {within} of {len(ibsi)} values within the consensus of the {CONSENSUS}"


def _devices(choice: str) -> tuple[Device, ...]:
    """Return where to compute: on the CPU always, on CUDA where it is asked for or at hand."""
    return ("cpu", "cuda") if resolve_device(choice) == "cuda" else ("cpu",)


def _environment() -> Iterator[Check]:
    """Yield one line per package that petnet needs: whether it is there in a version that fits."""
    from packaging.requirements import Requirement

    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("environment", "Python", ">= 3.11", python, sys.version_info >= (3, 11))
    yield Check("environment", "platform", "any", platform.platform(), True)
    for text in requires("petnet") or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            found = "absent"
        fits = found != "absent" and needed.specifier.contains(found, prereleases=True)
        yield Check("environment", needed.name, str(needed.specifier) or "any", found, fits)


def _device_lines() -> Iterator[Check]:
    """Yield what torch and CuPy say of CUDA; a machine without it is no fault."""
    import torch

    from petnet.radiomics.kernels.cuda import unusable_reason

    usable = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if usable else "none that can be used"
    yield Check("device", "CUDA for images and networks (torch)", "any", name, True)
    reason = unusable_reason()
    yield Check("device", "CUDA for radiomics (CuPy)", "any", reason or "usable", True)
    # The one state that is a fault: a GPU that only half of petnet can use.
    if usable and reason is not None:
        yield Check("device", "CUDA for both", "both or neither", f"torch only: {reason}", False)


def _ibsi(devices: Sequence[Device]) -> Iterator[Check]:
    for device in devices:
        for result in selftest.run(device):
            row = result.consensus
            unit = row.feature.unit.format(intensity="intensity", ivh="intensity")
            where = f"{row.feature.family} {row.feature.code} {row.feature.name}"
            aggregation = f" {row.aggregation}" if row.aggregation else ""
            expected = f"{row.value:g} ± {row.tolerance:g}"
            found = f"{result.value:.6g}"
            what = f"{device} {where}{aggregation} ({unit})"
            yield Check("ibsi", what, expected, found, result.passed)


def _agreement(devices: Sequence[Device]) -> Iterator[Check]:
    if len(devices) < 2:
        return
    found = selftest.counts_agree(devices)
    what = f"counts of every texture family in {found.regions} random regions"
    text = f"{found.differing} of {found.counts} differ"
    yield Check("cpu = gpu", what, "none differs", text, found.differing == 0)


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    rows: list[tuple[Any, ...]] = [
        ("ok" if c.passed else "FAILED", c.part, c.what, c.expected, c.found) for c in checks
    ]
    rows.insert(0, ("", "part", "what", "expected", "found"))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, (*widths, 0), strict=True)]
        yield "  ".join(cells).rstrip()
