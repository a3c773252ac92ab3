"""Whole files or none; hashes that depend on content alone."""

import hashlib
import pickle

import pytest

from petnet.errors import InputError
from petnet.files import atomic_path, content_hash, hash_of


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            assert temporary.name.endswith(".nii.gz")
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_hashes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"petnet" * 10**5)
    oracle = hashlib.blake2b(b"petnet" * 10**5, digest_size=16).hexdigest()
    assert content_hash(path) == oracle
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1}) != hash_of({"a": 1, "b": 3})


def test_an_input_error_survives_a_worker_process():
    error = InputError("a.csv", "row 2", "a number", "'x'", "Mend it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
