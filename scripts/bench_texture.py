r"""Measure petnet's features beside Pictologics' and PyRadiomics', each in its own environment.

    python scripts/bench_texture.py --pictologics PYTHON --pyradiomics PYTHON --out FOLDER
    python scripts/bench_texture.py --device cuda --out FOLDER            on a machine with a GPU

PYTHON is the interpreter of the environment in which the other library is installed (docs/peers.md
says how these are made). Every library is a process of its own that stays warm; images are in
memory; runs take turns and the median counts. That shared features are equal is asserted outside of
the clock, with the differences that docs/peers.md explains. Without PETNET_REFERENCE the real
lesions are left out. FOLDER/bench.md and FOLDER/bench.json hold the results. --quick leaves out
what takes minutes: the map of 300 lesions, compilation and memory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench_cases
from bench_cases import Case
from bench_fresh import compilation, peak_memory
from bench_report import page
from peer_differences import unexplained
from peer_runs import ALL_FAMILIES, ROOT, Runner, keyed, start

from petnet.errors import InputError

LEAN = {
    "families": [family for family in ALL_FAMILIES if family != "local"],
    "autocorrelation": False,
    "bins": 64,
    "ivh_bins": 64,
    "aggregations": ["comb"],
}
FULL = LEAN | {"families": ALL_FAMILIES, "autocorrelation": True}
#: What PyRadiomics has: seven classes, averaged over directions.
CLASSIC = LEAN | {
    "families": ["stat", "morph", "glcm", "glrlm", "glszm", "ngtdm", "ngldm"],
    "aggregations": ["avg"],
}
TEXTURE = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
SIX = ["2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "avg", "comb"]
MOST_ROUNDS, LEAST_ROUNDS = 15, 3


@dataclass
class Row:
    """One line of the results: seconds of each library on the same work.

    Attributes
    ----------
    part : str
        Which question it answers.
    case : str
    voxels : int
        In all masks together.
    seconds, fastest : library to median and least wall seconds
        The least ones are what to compare on a machine that others use too.
    rounds : library to number of runs
    shared : int
        Features that were compared.
    """

    part: str
    case: str
    voxels: int
    seconds: dict[str, float] = field(default_factory=dict)
    fastest: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    shared: int = 0


@dataclass(frozen=True)
class Work:
    """What a runner is asked to do: its cases one after the other, or in one call."""

    runner: Runner
    cases: tuple[str, ...]
    settings: Mapping[str, Any]
    label: str = ""

    @property
    def name(self) -> str:
        """Column of the results."""
        return self.label or self.runner.name

    def seconds(self) -> float:
        """Run once."""
        answer = self.runner.ask(do="run", cases=self.cases, settings=self.settings)
        return float(answer["seconds"])

    def features(self) -> list[dict[str, Any]]:
        """Run once and return the features of every region."""
        asked = {"cases": self.cases, "settings": self.settings, "features": True}
        return list(self.runner.ask(do="run", **asked)["features"])


def in_turns(works: Sequence[Work], budget_s: float) -> dict[str, list[float]]:
    """Run the works in turns until the budget is spent; one that takes long has fewer turns."""
    seconds: dict[str, list[float]] = {work.name: [work.seconds()] for work in works}  # warm now
    spent = dict.fromkeys(seconds, 0.0)
    for turn in range(MOST_ROUNDS):
        limit = 3 * budget_s if turn < LEAST_ROUNDS else budget_s
        for work in works:
            if spent[work.name] < limit:
                seconds[work.name].append(work.seconds())
                spent[work.name] += seconds[work.name][-1]
    return {name: values[1:] for name, values in seconds.items()}


def check_equal(works: Sequence[Work]) -> int:
    """Compare the shared features of the first library's with the others'; return how many.

    Raises
    ------
    RuntimeError
        One differs by more than 1e-4, and docs/peers.md does not say why.
    """
    shared = 0
    ours = [keyed(works[0].runner.name, region) for region in works[0].features()]
    for work in works[1:]:
        theirs = [keyed(work.runner.name, region) for region in work.features()]
        for mine, other in zip(ours, theirs, strict=True):
            common = [key for key in mine if key in other]
            shared = max(shared, len(common))
            wrong = unexplained(work.runner.name, mine, other)
            if wrong:
                key, (a, b) = next(iter(wrong.items()))
                raise RuntimeError(
                    f"{len(wrong)} of {len(common)} features differ between petnet and "
                    f"{work.runner.name}: {key}: {a:.8g} and {b:.8g}"
                )
    return shared


def measure(part: str, case: str, voxels: int, works: Sequence[Work], budget_s: float) -> Row:
    """Check that the works agree, then time them in turns."""
    row = Row(part, case, voxels)
    if len({work.runner.name for work in works}) > 1:
        row.shared = check_equal(works)
    for name, values in in_turns(works, budget_s).items():
        row.seconds[name], row.fastest[name] = statistics.median(values), min(values)
        row.rounds[name] = len(values)
    shown = ", ".join(f"{name} {value:.4g} s" for name, value in row.seconds.items())
    print(f"{part}: {case}: {shown}", file=sys.stderr, flush=True)
    return row


class Bench:
    """The runners, what they have opened, and the questions put to them."""

    def __init__(self, runners: Mapping[str, Runner], folder: Path, budget_s: float) -> None:
        self.runners, self.folder, self.budget_s = runners, folder, budget_s
        self._opened: set[tuple[str, str]] = set()

    def work(
        self, name: str, cases: Sequence[Case], settings: Mapping[str, Any], label: str = ""
    ) -> Work:
        """Open the cases in a runner and return the work on them."""
        runner = self.runners[name]
        for case in cases:
            if (name, case.name) not in self._opened:
                runner.ask(**case.request())
                self._opened.add((name, case.name))
        return Work(runner, tuple(case.name for case in cases), settings, label)

    def beside(
        self,
        part: str,
        cases: Sequence[Case],
        settings: Mapping[str, Any],
        *others: str,
        title: str,
    ) -> Row:
        """Measure petnet beside those of the other libraries that are there."""
        names = ["petnet", *(name for name in others if name in self.runners)]
        works = [self.work(name, cases, settings) for name in names]
        return measure(part, title, sum(c.voxels for c in cases), works, self.budget_s)

    def singles(self, reference: Path | None) -> Iterator[Row]:
        """Yield the rows of one region at a time."""
        for case in bench_cases.single_cases(self.folder, reference):
            for part, settings, other in (
                ("without autocorrelation and peaks", LEAN, "pictologics"),
                ("all features", FULL, "pictologics"),
                ("PyRadiomics' classes", CLASSIC, "pyradiomics"),
            ):
                yield self.beside(part, [case], settings, other, title=case.name)
            yield self.aggregations(case)

    def aggregations(self, case: Case) -> Row:
        """Measure all six aggregations of the texture families beside one."""
        settings = LEAN | {"families": list(TEXTURE)}
        works = [
            self.work("petnet", [case], settings | {"aggregations": asked}, label)
            for label, asked in (("petnet, one", ["comb"]), ("petnet, all six", SIX))
        ]
        return measure("aggregations of texture", case.name, case.voxels, works, self.budget_s)

    def families(self, reference: Path | None) -> Iterator[Row]:
        """Yield a row a family: the profile that explains the others."""
        for case in bench_cases.single_cases(self.folder, reference):
            for family in ALL_FAMILIES:
                for lean in (True, False) if family == "morph" else (True,):
                    part = f"family {family}" + ("" if lean else " with autocorrelation")
                    settings = LEAN | {"families": [family], "autocorrelation": not lean}
                    yield self.beside(part, [case], settings, "pictologics", title=case.name)

    def batches(self, reference: Path | None) -> Iterator[Row]:
        """Yield the rows of 64 lesions in one call."""
        cases = bench_cases.batch(self.folder, reference)
        for part, settings in (("batch, lean", LEAN), ("batch, all features", FULL)):
            yield self.beside(part, cases, settings, "pictologics", title="64 lesions")

    def labels(self) -> Iterator[Row]:
        """Yield a map of 300 lesions: one call beside one call a lesion, and beside run_rois."""
        case = bench_cases.label_map(self.folder)
        works = [self.work("petnet", [case], LEAN)]
        if "pictologics" in self.runners:
            works.append(self.work("pictologics", [case], LEAN, "pictologics run_rois"))
            each = LEAN | {"each_label_alone": True}
            works.append(self.work("pictologics", [case], each, "pictologics per lesion"))
        yield measure("label map", "300 lesions", case.voxels, works, self.budget_s)


def machine() -> dict[str, Any]:
    """Describe where the figures were taken."""
    text = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").is_file() else ""
    models = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
    return {
        "processor": models[0] if models else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "python": sys.version.split()[0],
        "date": datetime.now(UTC).date().isoformat(),
    }


def benchmark(asked: argparse.Namespace) -> int:
    """Measure everything and write both files."""
    reference = Path(asked.reference) if asked.reference else None
    pythons = {"pictologics": asked.pictologics, "pyradiomics": asked.pyradiomics}
    volumes = asked.out / "volumes"
    volumes.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    about: dict[str, Any] = {"machine": machine()}
    with contextlib.ExitStack() as stack:
        runners = {"petnet": stack.enter_context(start("petnet", PETNET_BENCH_DEVICE=asked.device))}
        for name, python in pythons.items():
            if python:
                runners[name] = stack.enter_context(start(name, python))
        about["libraries"] = {name: runner.ask(do="about") for name, runner in runners.items()}
        bench = Bench(runners, volumes, asked.seconds)
        rows += bench.singles(reference)
        rows += bench.batches(reference)
        if asked.families:
            rows += bench.families(reference)
        if not asked.quick:
            rows += bench.labels()
    if not asked.quick:
        about["compilation"] = compilation(next(bench_cases.single_cases(volumes, None)), FULL)
        about["memory"] = peak_memory(bench_cases.big_map(volumes), LEAN, asked.device)
    text = page(rows, about)
    (asked.out / "bench.md").write_text(text, encoding="utf-8")
    results = {"about": about, "rows": [asdict(row) for row in rows]}
    (asked.out / "bench.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(text, end="")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    beside = ROOT.parent / "shared" / "reference"
    reference = os.environ.get("PETNET_REFERENCE") or (str(beside) if beside.is_dir() else None)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictologics", metavar="PYTHON")
    parser.add_argument("--pyradiomics", metavar="PYTHON")
    parser.add_argument("--reference", default=reference, metavar="DIR", help="holds sts/")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="petnet's")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=5.0, help="budget a library and row")
    parser.add_argument("--families", action="store_true", help="also each family alone")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        return benchmark(asked)
    except (InputError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        print(f"{time.perf_counter() - began:.0f} s in all", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
