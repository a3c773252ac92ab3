"""`petnet diff RUN RUN`: which setting, version, input or unit makes two runs differ."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from petnet.errors import InputError
from petnet.evaluation.difference import Difference, differences
from petnet.files import write_csv

if TYPE_CHECKING:
    from omegaconf import DictConfig

SHOWN = 10  # of each part; the CSV has all


def run(config: DictConfig) -> int:
    """Print and write the differences; returns their number, but for settings without effect."""
    runs = [config.runs] if isinstance(config.runs, str) else list(config.runs)
    if len(runs) != 2:
        raise InputError("petnet diff", "runs", "two run folders", f"{len(runs)}: {runs}")
    found = differences(Path(runs[0]), Path(runs[1]))
    counts = Counter(difference.part for difference in found)
    print(f"first:  {runs[0]}\nsecond: {runs[1]}")
    for part, count in counts.items():
        print(f"\n{part}: {count}")
        for difference in [d for d in found if d.part == part][:SHOWN]:
            print(f"  {difference.what}: {difference.first} | {difference.second}")
        if count > SHOWN:
            print(f"  … and {count - SHOWN} more")
    telling = [d for d in found if d.part != "other setting"]
    print(f"\n{_verdict(telling)}")
    if config.out:
        columns = list(Difference.__dataclass_fields__)
        write_csv(Path(config.out), pd.DataFrame([vars(d) for d in found], columns=columns))
    return len(telling)


def _verdict(found: list[Difference]) -> str:
    """Say in one sentence what the runs differ in, and what that changed."""
    if not found:
        return "The runs are the same: settings, versions, inputs, features, predictions, figures."
    effects = ("feature", "prediction", "figure")
    parts = Counter(difference.part for difference in found)
    causes = ", ".join(f"{n} {part}s" for part, n in parts.items() if part not in effects)
    changed = ", ".join(f"{n} {part}s" for part, n in parts.items() if part in effects)
    before = causes or "nothing that the run folders record"
    return f"The runs differ in {before}; of what came out: {changed or 'nothing'}."
