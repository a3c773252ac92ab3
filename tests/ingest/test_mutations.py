"""Thousands of broken series: the right values or an exclusion that says why, as declared.

`mutations` declares beforehand what must become of each class of mutations; the oracle is what the
simulation's writers were given.
"""

import faulthandler
import multiprocessing
import resource
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from mutated import problem, read
from mutation_bases import NAMES, base
from mutations import BY_CHANCE, TABLE, UNDETECTABLE, after_another

CASES_BY_CHANCE = 3000
HANGING_S = 60  # what takes milliseconds
MOST_BYTES = 200e6  # beyond what reading unbroken series takes


def first_of_each():
    """One class per attribute or file fault, each on another kind of series."""
    seen, order, cases = set(), cycle(NAMES), []
    for mutation in TABLE:
        what = mutation.name.split(":")[0]
        if what not in seen and mutation not in BY_CHANCE:
            seen.add(what)
            name = next(n for n in order if n in mutation.expected)
            cases.append((mutation, name))
    return cases


def ids(cases):
    return [f"{mutation.name}, {name}" for mutation, name in cases]


def whole_table():
    return [
        (TABLE.index(mutation), name, seed)
        for seed, mutation in enumerate(TABLE)
        for name in mutation.expected
    ]


def by_chance():
    """Draw classes that chance fills in, and pairs of faults in one series."""
    generator = np.random.default_rng(20)
    chosen = [TABLE.index(mutation) for mutation in BY_CHANCE]
    cases = []
    for seed in range(CASES_BY_CHANCE):
        index = chosen[generator.integers(len(chosen))] if seed % 4 else None
        cases.append((index, NAMES[generator.integers(len(NAMES))], 10_000 + seed))
    return cases


def found_wrong(cases):
    """Return what is not as declared, and the memory that it took beyond that of sound series."""
    for name in NAMES:
        base(name)
    sound = most_bytes()
    wrong = []
    for index, name, seed in cases:
        faulthandler.dump_traceback_later(HANGING_S, exit=True)
        mutation = after_another(name, seed) if index is None else TABLE[index]
        try:
            said = problem(mutation, name, seed)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        faulthandler.cancel_dump_traceback_later()
        if said:
            wrong.append(f"{mutation.name}, {name}, seed {seed}: {said}")
    return wrong, most_bytes() - sound


def most_bytes():
    """Return the most memory that this process ever had."""
    status = Path("/proc/self/status")
    if not status.exists():  # no Linux; there, a child's count would begin with its parent's
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("name", NAMES)
def test_sound_files_are_read_as_they_were_written(name, tmp_path):
    for k, file in enumerate(base(name).files):
        (tmp_path / f"{k:03d}.dcm").write_bytes(file)
    outcome = read(tmp_path)
    assert outcome.verdict(base(name)) == "same"
    assert not outcome.refused


def test_what_is_undetectable_has_a_reason():
    for mutation in TABLE:
        assert bool(mutation.why) == (UNDETECTABLE in mutation.expected.values()), mutation.name


def test_classes_have_one_name_for_each_kind_of_series():
    count = Counter((mutation.name, name) for mutation in TABLE for name in mutation.expected)
    assert [case for case, times in count.items() if times > 1] == []


@pytest.mark.parametrize(("mutation", "name"), first_of_each(), ids=ids(first_of_each()))
def test_a_broken_series(mutation, name):
    assert problem(mutation, name, 1) is None


@pytest.mark.full
def test_thousands_of_broken_series():
    cases = [*whole_table(), *by_chance()]
    assert len(cases) > 5000
    chunks = [cases[k::8] for k in range(8)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(found_wrong, chunks))
    assert [wrong for chunk, _ in found for wrong in chunk] == []
    assert max(taken for _, taken in found) < MOST_BYTES
