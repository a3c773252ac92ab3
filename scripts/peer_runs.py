"""Other libraries beside petnet: conversations with their environments, and whose feature is whose.

Shared by `peers.py` (do they agree?) and `bench_texture.py` (who is faster?). The runners are in
`peers/`; see `peers/peer_protocol.py` for the conversation.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.radiomics.catalogue import CATALOGUE, FAMILIES

__all__ = ["ALL_FAMILIES", "PEERS", "Key", "Runner", "keyed", "relative_difference"]

ROOT = Path(__file__).resolve().parents[1]
RUNNERS = ROOT / "scripts" / "peers"
PEERS = ("mirp", "pictologics", "pyradiomics")
ALL_FAMILIES: list[str] = list(FAMILIES)

#: Family, petnet's name of the feature and aggregation ("3D_avg", "3D_comb", "3D" or None).
Key = tuple[str, str, str | None]

OF_CODE = {feature.code: (feature.family, feature.name) for feature in CATALOGUE}
#: Codes that a library gives otherwise than the IBSI manual, and codes that two features share.
OWN_CODES: dict[str, dict[str, tuple[str, str]]] = {
    "mirp": {
        "NK6P": ("ivh", "volume_at_intensity_fraction_10"),
        "4279": ("ivh", "volume_at_intensity_fraction_90"),
        "PWN1": ("ivh", "intensity_at_volume_fraction_10"),
        "BOHI": ("ivh", "intensity_at_volume_fraction_90"),
        "WITY": ("ivh", "volume_fraction_difference_between_intensity_fractions"),
        "JXJA": ("ivh", "intensity_fraction_difference_between_volume_fractions"),
        "P6QZ1": ("glcm", "sum_entropy"),
    },
}
#: Features whose code is another's or none, by the library's own name.
OWN_NAMES: dict[str, dict[str, tuple[str, str]]] = {
    "pictologics": {
        "10th_discretised_intensity_percentile_1PR": (
            "ih",
            "10th_discretised_intensity_percentile",
        ),
        "90th_discretised_intensity_percentile_GPMT": (
            "ih",
            "90th_discretised_intensity_percentile",
        ),
        "volume_at_intensity_fraction_0.10_BC2M_10": ("ivh", "volume_at_intensity_fraction_10"),
        "volume_at_intensity_fraction_0.90_BC2M_90": ("ivh", "volume_at_intensity_fraction_90"),
        "intensity_at_volume_fraction_0.10_GBPN_10": ("ivh", "intensity_at_volume_fraction_10"),
        "intensity_at_volume_fraction_0.90_GBPN_90": ("ivh", "intensity_at_volume_fraction_90"),
        "small_zone_emphasis_P001": ("glszm", "small_zone_emphasis"),
    },
}
#: Matched by name alone: petnet names its own features with these codes too.
SHARED_CODES = {"BC2M", "GBPN"}


class Runner:
    """A library in its own process, warm between questions.

    Parameters
    ----------
    name : {"petnet", "mirp", "pictologics", "pyradiomics"}
    python : path
        The interpreter of the environment in which the library lives.
    environment : mapping, optional
        Variables beside those of this process, NUMBA_CACHE_DIR for example.
    """

    def __init__(
        self, name: str, python: str | Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        if not Path(python).is_file():
            raise InputError(f"--{name}", "interpreter", "the python of its environment", python)
        self._complaints = tempfile.TemporaryFile(  # noqa: SIM115  (open as long as the process)
            mode="w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            [str(python), str(RUNNERS / f"{name}_runner.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=os.environ | dict(environment or {}),
        )

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the process, whose memory may be watched."""
        return self._process.pid

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises
        ------
        RuntimeError
            The library failed, or its process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.name}: the process ended: {self._last_complaint()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def _last_complaint(self) -> str:
        """Return the last line on the standard error of a process that ended, or its exit code."""
        code = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it may have ended by itself
                self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()


def start(name: str, python: str | Path | None = None, **environment: str) -> Runner:
    """Start a runner; petnet's own in the interpreter that runs this."""
    return Runner(name, python or sys.executable, environment)


def keyed(library: str, features: Iterable[Mapping[str, Any]]) -> dict[Key, float]:
    """Return the values of the features that petnet has too, under petnet's names.

    Undefined values, which come as null, become NaN. Features that petnet has not are left out.
    """
    found: dict[Key, float] = {}
    for feature in features:
        place = _place(library, feature)
        if place is not None:
            value = feature["value"]
            key = (*place, feature["aggregation"])
            if key in found:
                raise RuntimeError(f"{library}: {key} twice, the second time as {feature['name']}")
            found[key] = float("nan") if value is None else float(value)
    return found


def _place(library: str, feature: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return family and petnet's name of a feature of a library."""
    if library == "petnet":
        return feature["family"], feature["name"]
    by_name = OWN_NAMES.get(library, {}).get(feature["name"])
    if by_name is not None:
        return by_name
    code = feature["code"]
    if code in SHARED_CODES:
        raise RuntimeError(f"{library}: {feature['name']} has a code that two features share")
    place = OWN_CODES.get(library, {}).get(code) or OF_CODE.get(code)
    if place is not None and place[0] != feature["family"]:
        raise RuntimeError(f"{library}: {feature['name']} says {feature['family']}, {code} {place}")
    return place


def relative_difference(a: float, b: float) -> float:
    """Return |a - b| relative to the larger magnitude.

    Where both are undefined it is 0, where one is infinite. Values that are zero but for rounding
    (1e-12) do not differ.
    """
    if a != a or b != b:
        return 0.0 if a != a and b != b else float("inf")
    size = max(abs(a), abs(b))
    return 0.0 if size < 1e-12 else abs(a - b) / size


def studies(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Return the folders STS_* that hold a PET image and its mask, or those named.

    Raises
    ------
    InputError
        There is none, or one that was named is missing.
    """
    found = sorted(path.parent for path in folder.glob("STS_*/PET_image.nii.gz"))
    if names:
        found = [folder / name for name in names]
    missing = [p for p in found if not (p / "PET_mask.nii.gz").is_file()]
    if missing or not found:
        what = f"{missing[0]} without them" if missing else "none"
        raise InputError(str(folder), "studies", "STS_*/PET_image and PET_mask.nii.gz", what)
    return found
