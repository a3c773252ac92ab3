r"""Compare petnet with MIRP and Pictologics, feature by feature, on real PET studies.

    python scripts/peers.py agreement $PETNET_REFERENCE/sts --mirp PYTHON --pictologics PYTHON \
        --out FOLDER [--only STS_003 ...]

PYTHON is the interpreter of the environment in which the other library is installed (docs/peers.md
says how these are made). The studies are computed on their own grid, in 3D, with 64 bins and with
bins of 0.25 SUV from 0; what the other libraries answer is kept in OUT/answers by their version, so
that a second call asks petnet alone. OUT/agreement.md and OUT/agreement.json hold, for every shared
feature, the largest relative difference. Exit code 1: a difference over 1e-4 that docs/peers.md
does not explain; 2: something is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peer_differences import TOLERANCE, explanation
from peer_runs import ALL_FAMILIES, Key, Runner, keyed, relative_difference, start, studies

from petnet.errors import InputError
from petnet.files import atomic_path

#: Families that discretisation does not touch: computed once.
UNBINNED = ("stat", "morph", "local", "ivh")
COMMON: dict[str, Any] = {
    "modality": "PT",
    "aggregations": ["avg", "comb"],
    "ivh_bins": 1000,
    "autocorrelation": True,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "bins_64": COMMON | {"families": ALL_FAMILIES, "bins": 64},
    "width_0.25": COMMON
    | {
        "families": [family for family in ALL_FAMILIES if family not in UNBINNED],
        "bin_width": 0.25,
        "lower_bound": 0.0,
    },
}


def ask_once(
    runner: Runner, cache: Path | None, study: Path, setting: str
) -> tuple[dict[Key, float], float]:
    """Return a library's features of one study and its seconds, asked for or read from `cache`.

    `cache` is of one version of one library.
    """
    kept = None if cache is None else cache / f"{study.name}_{setting}.json"
    wanted = SETTINGS[setting]
    if kept is not None and kept.is_file():
        answer = json.loads(kept.read_text(encoding="utf-8"))
        if answer.get("settings") == wanted:
            return keyed(runner.name, answer["features"][0]), float(answer["seconds"])
    paths = {name: str(study / f"PET_{name}.nii.gz") for name in ("image", "mask")}
    runner.ask(do="open", case=study.name, modality="PT", **paths)
    answer = runner.ask(do="run", cases=[study.name], settings=wanted, features=True)
    if kept is not None:
        with atomic_path(kept) as path:
            path.write_text(json.dumps(answer | {"settings": wanted}), encoding="utf-8")
    return keyed(runner.name, answer["features"][0]), float(answer["seconds"])


@dataclass(frozen=True)
class Difference:
    """A shared feature: its largest relative difference over all studies, and where that is.

    Attributes
    ----------
    above : int
        Studies in which it differs by more than 1e-4.
    unexplained : int
        Those of them for which docs/peers.md has no reason; the values are of the worst of them.
    reason : str
        Heading in docs/peers.md.
    """

    library: str
    setting: str
    key: Key
    relative: float
    study: str
    petnet: float
    other: float
    above: int
    unexplained: int
    reason: str


def differences(
    library: str,
    setting: str,
    ours: Mapping[str, Mapping[Key, float]],
    theirs: Mapping[str, Mapping[Key, float]],
) -> Iterator[Difference]:
    """Yield every shared feature with its largest difference over the studies.

    Parameters
    ----------
    ours, theirs : study to feature to value
    """
    shared = [key for key in next(iter(ours.values())) if key in next(iter(theirs.values()))]
    for key in shared:
        off = {s: relative_difference(ours[s][key], theirs[s][key]) for s in ours}
        why = {s: explanation(library, key, ours[s][key], theirs[s][key]) for s in ours}
        above = [s for s in ours if off[s] > TOLERANCE]
        wrong = [s for s in above if why[s] is None]
        worst = max(wrong or ours, key=lambda study: off[study])
        reason = why[worst]
        yield Difference(
            library,
            setting,
            key,
            off[worst],
            worst,
            ours[worst][key],
            theirs[worst][key],
            len(above),
            len(wrong),
            reason.reason if reason is not None and above else "",
        )


def compare(
    folders: Sequence[Path], pythons: Mapping[str, str], out: Path
) -> tuple[list[Difference], dict[str, Any]]:
    """Ask petnet and the others about every study and setting; return differences and versions."""
    found: list[Difference] = []
    versions: dict[str, Any] = {}
    ours = _answers("petnet", sys.executable, folders, None, versions)
    for library, python in pythons.items():
        theirs = _answers(library, python, folders, out / "answers", versions)
        for setting in SETTINGS:
            found += differences(library, setting, ours[setting], theirs[setting])
    return found, versions


def _answers(
    library: str,
    python: str,
    folders: Sequence[Path],
    cache: Path | None,
    versions: dict[str, Any],
) -> dict[str, dict[str, dict[Key, float]]]:
    """Return setting to study to feature to value."""
    answers: dict[str, dict[str, dict[Key, float]]] = {setting: {} for setting in SETTINGS}
    with start(library, python) as runner:
        versions[library] = runner.ask(do="about")
        kept = cache and cache / f"{library}_{versions[library]['version']}"
        for number, study in enumerate(folders, 1):
            for setting in SETTINGS:
                answers[setting][study.name], _ = ask_once(runner, kept, study, setting)
            print(f"{library}: {number} of {len(folders)} studies", end="\r", file=sys.stderr)
    print(file=sys.stderr)
    return answers


def page(found: Sequence[Difference], versions: Mapping[str, Any], n_studies: int) -> str:
    """Write the comparison as Markdown: a summary a library, then what differs."""
    lines = [
        "| library | settings | shared features | agree to 1e-4 | explained | not explained |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for library, setting in dict.fromkeys((one.library, one.setting) for one in found):
        part = [one for one in found if (one.library, one.setting) == (library, setting)]
        off = [one for one in part if one.relative > TOLERANCE]
        known = sum(not one.unexplained for one in off)
        title = f"{versions[library]['name']} {versions[library]['version']}"
        lines.append(
            f"| {title} | {setting} | {len(part)} | {len(part) - len(off)} | {known} | "
            f"{len(off) - known} |"
        )
    lines += [
        "",
        f"Differences over 1e-4 in {n_studies} studies:",
        "",
        "| library | settings | feature | largest | studies | worst | petnet | other | explained |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in sorted(found, key=lambda one: -one.relative):
        if one.relative > TOLERANCE:
            family, feature, aggregation = one.key
            name = " ".join(part for part in (family, feature, aggregation) if part)
            why = f"**not in {one.unexplained}**" if one.unexplained else one.reason
            lines.append(
                f"| {one.library} | {one.setting} | {name} | {one.relative:.2g} | {one.above} | "
                f"{one.study} | {one.petnet:.7g} | {one.other:.7g} | {why} |"
            )
    return "\n".join(lines) + "\n"


def agreement(asked: argparse.Namespace) -> int:
    """Compare, write both files, and return the exit code."""
    pythons = {name: getattr(asked, name) for name in ("mirp", "pictologics")}
    pythons = {name: python for name, python in pythons.items() if python}
    if not pythons:
        raise InputError("peers.py", "libraries", "--mirp PYTHON or --pictologics PYTHON", "none")
    folders = studies(asked.folder, asked.only)
    found, versions = compare(folders, pythons, asked.out)
    text = page(found, versions, len(folders))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "agreement.md").write_text(text, encoding="utf-8")
    rows = [vars(one) for one in found]
    (asked.out / "agreement.json").write_text(
        json.dumps({"versions": versions, "features": rows}, indent=1), encoding="utf-8"
    )
    print(text, end="")
    return 1 if any(one.unexplained for one in found) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("agreement", help="compare features on the studies of a folder")
    verb.add_argument("folder", type=Path, help="holds STS_*/PET_image.nii.gz and PET_mask.nii.gz")
    verb.add_argument("--mirp", metavar="PYTHON")
    verb.add_argument("--pictologics", metavar="PYTHON")
    verb.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    verb.add_argument("--only", nargs="+", default=(), metavar="STUDY")
    asked = parser.parse_args(arguments)
    try:
        return agreement(asked)
    except (InputError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
