"""Copies into C order."""

import numpy as np
import pytest

from petnet.radiomics.arrays import in_c_order


@pytest.mark.parametrize("dtype", [None, np.float64])
@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(5 * 19 * 7, dtype=np.float32).reshape(5, 19, 7)),
        np.arange(4 * 8 * 6, dtype=np.int16).reshape(4, 8, 6)[::-1, ::2, 1:4],
        np.zeros((0, 3, 2), dtype=bool),
        np.arange(6.0).reshape(1, 2, 3),
    ],
    ids=["fortran", "view", "empty", "already"],
)
def test_numpy_gives_the_same_copy(array, dtype):
    found = in_c_order(array, dtype)
    expected = np.ascontiguousarray(array, dtype=dtype)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    assert found.flags.c_contiguous
