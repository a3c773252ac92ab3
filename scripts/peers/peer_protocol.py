"""The conversation with a library that lives in an environment of its own: a JSON object a line.

A runner is started once, stays warm, and answers requests read from its standard input:

    {"do": "about"}                                  versions and threads
    {"do": "open", "case": NAME, "image": PATH, "mask": PATH, "modality": "PT", "flip": [0, 2]}
    {"do": "run", "cases": [NAME, ...], "settings": {...}, "features": true}
    {"do": "stop"}

"run" computes the cases one after the other and answers the wall seconds of the computation alone
and, where asked for, the features of each case: {"name", "family", "code", "aggregation", "value"}
under the library's own names; family and aggregation are petnet's words. What a library prints goes
to standard error, so that it cannot break the conversation.

Settings are: families (petnet's names), bins or bin_width and lower_bound, ivh_bins, aggregations
("avg" or "comb" over directions, in 3D), autocorrelation (whether Moran's I and Geary's C are
wanted). This file and the runners beside it import nothing of petnet's and run on Python 3.11.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Feature", "plain", "read_nifti", "serve"]

Feature = dict[str, Any]
Request = dict[str, Any]


def read_nifti(path: str | Path, flip: list[int] | None = None) -> tuple[Any, tuple[float, ...]]:
    """Return an array (X, Y, Z), mirrored along the axes of `flip`, and its spacing in mm."""
    import nibabel
    import numpy as np

    stored = nibabel.load(str(path))
    array = np.asanyarray(stored.dataobj)
    array = np.ascontiguousarray(np.flip(array, flip) if flip else array)
    spacing = np.linalg.norm(stored.affine[:3, :3], axis=0)
    return array, tuple(float(edge) for edge in spacing)


def serve(
    about: Callable[[], dict[str, Any]],
    open_case: Callable[[Request], Any],
    run: Callable[[list[Any], dict[str, Any]], list[Callable[[], list[Feature]]] | Any],
) -> None:
    """Answer requests until told to stop or the standard input ends.

    Parameters
    ----------
    about : function of nothing
        Versions and threads.
    open_case : function of the request
        Reads one image and mask; what it returns is kept under the case's name.
    run : function of cases and settings
        Does the work under the clock. Returns a function of nothing per case, which puts the
        features into the common form outside of the clock.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # prints of libraries go to standard error
    cases: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "stop":
            break
        try:
            answer = _answer(request, cases, about, open_case, run)
        except Exception as error:  # told to the caller, who decides
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(plain(answer)) + "\n")
        answers.flush()


def _answer(
    request: Request, cases: dict[str, Any], about: Any, open_case: Any, run: Any
) -> dict[str, Any]:
    if request["do"] == "about":
        return dict(about())
    if request["do"] == "open":
        cases[request["case"]] = open_case(request)
        return {"opened": request["case"]}
    chosen = [cases[name] for name in request["cases"]]
    started, worked = time.perf_counter(), time.process_time()
    results = run(chosen, request["settings"])
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    answer: dict[str, Any] = {"seconds": seconds, "cpu_seconds": cpu}
    if request.get("features"):
        answer["features"] = [result() for result in results]
    return answer


def plain(value: Any) -> Any:
    """Replace what JSON does not know: NaN and infinity by null, NumPy's values by Python's."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
