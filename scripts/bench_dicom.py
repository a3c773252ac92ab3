r"""Time reading a DICOM series beside MIRP and dicom2nifti, each in its own environment.

    python scripts/bench_dicom.py $PETNET_REFERENCE/dicom/STS_001_wholebody_pet/image \
        --mirp PYTHON --dicom2nifti PYTHON --out FOLDER [--rounds 7]

PYTHON is the interpreter of the environment in which the other library is installed (pip install
mirp; pip install dicom2nifti). Every measurement is a process of its own, the libraries take turns
and the median counts: seconds to the volume in memory and to the NIfTI file, both after the
imports, seconds of the whole process, and the peak of memory above what the imports take, relative
to the volume as float32. petnet and MIRP make SUV; dicom2nifti writes what the scanner stored.
FOLDER/bench_dicom.md and .json hold the results. Exit code 1: petnet is slower than dicom2nifti,
not three times faster than MIRP's import, or needs four volumes of memory; 2: something is missing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from petnet.errors import InputError

RUNNER = Path(__file__).resolve().parent / "peers" / "dicom_runner.py"
FASTER_THAN_MIRP, MOST_VOLUMES = 3.0, 4.0
Answer = dict[str, Any]


def measure(library: str, python: str, folder: Path) -> Answer:
    """Run one library once in a fresh process.

    Raises
    ------
    RuntimeError
        It failed.
    """
    with tempfile.TemporaryDirectory() as place:
        command = [python, str(RUNNER), library, str(folder), str(Path(place) / "out.nii.gz")]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{library}: {done.stderr.strip().splitlines()[-1:]}")
    answer: Answer = json.loads(done.stdout.splitlines()[-1])
    volume_mib = answer["voxels"] * 4 / 2**20
    above = answer["peak_mib"] - answer["resident_mib"]
    return answer | {"process": took, "volumes_of_memory": above / volume_mib}


def medians(runs: Sequence[Answer]) -> Answer:
    """Return the median of every number; None where a library has no such step."""
    return {
        key: None if runs[0][key] is None else statistics.median(run[key] for run in runs)
        for key in runs[0]
    }


def failures(found: Mapping[str, Answer]) -> list[str]:
    """Say which of the limits petnet does not keep."""
    ours, failed = found["petnet"], []
    if "dicom2nifti" in found and ours["nifti"] > found["dicom2nifti"]["nifti"]:
        failed.append("slower than dicom2nifti")
    if "mirp" in found and ours["volume"] * FASTER_THAN_MIRP > found["mirp"]["volume"]:
        failed.append(f"not {FASTER_THAN_MIRP:g} times faster than MIRP's import")
    if ours["volumes_of_memory"] >= MOST_VOLUMES:
        failed.append(f"more memory than {MOST_VOLUMES:g} volumes")
    if "mirp" in found and abs(ours["largest"] / found["mirp"]["largest"] - 1) > 1e-5:
        failed.append("another largest SUV than MIRP")
    return failed


def page(found: Mapping[str, Answer]) -> str:
    """Write the results as a Markdown table; ratios are relative to petnet."""
    lines = [
        "| library | to the volume (s) | to NIfTI (s) | whole process (s) | memory (volumes) |",
        "| --- | --- | --- | --- | --- |",
    ]
    ours = found["petnet"]
    for library, answer in found.items():
        cells = [library]
        for key in ("volume", "nifti", "process"):
            if answer[key] is None:
                cells.append("")
                continue
            ratio = "" if library == "petnet" else f" ({answer[key] / ours[key]:.1f}×)"
            cells.append(f"{answer[key]:.2f}{ratio}")
        cells.append(f"{answer['volumes_of_memory']:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def benchmark(asked: argparse.Namespace) -> int:
    """Measure, write both files, and return the exit code."""
    pythons = {"petnet": sys.executable, "mirp": asked.mirp, "dicom2nifti": asked.dicom2nifti}
    pythons = {library: python for library, python in pythons.items() if python}
    for library, python in pythons.items():
        if not Path(python).is_file():
            raise InputError(f"--{library}", "interpreter", "the python of its environment", python)
    runs: dict[str, list[Answer]] = {library: [] for library in pythons}
    for library, python in pythons.items():  # once without counting: files come into the cache
        measure(library, python, asked.folder)
    for _ in range(asked.rounds):
        for library, python in pythons.items():
            runs[library].append(measure(library, python, asked.folder))
    found = {library: medians(answers) for library, answers in runs.items()}
    text = page(found)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "bench_dicom.md").write_text(text, encoding="utf-8")
    results = {"medians": found, "runs": runs}
    (asked.out / "bench_dicom.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(text, end="")
    failed = failures(found)
    for one in failed:
        print(f"petnet: {one}", file=sys.stderr)
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds the files of one PET series")
    parser.add_argument("--mirp", metavar="PYTHON")
    parser.add_argument("--dicom2nifti", metavar="PYTHON")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args(arguments)
    try:
        return benchmark(asked)
    except (InputError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
