"""Packing, components and coinciding grids by brute force straight from their definitions."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from petnet.ingest.boxes import bounding_box
from petnet.ingest.records import Region
from petnet.ingest.regions.label_maps import pack, split_components
from petnet.ingest.regions.lattice import put, steps_between

SHAPE = (3, 2, 4)
masks = arrays(bool, SHAPE).filter(np.any)


def region(mask, name="r", number=1):
    return Region.of(name, number, np.asarray(mask, bool), "SEG")


@given(st.lists(masks, max_size=8))
def test_packing_brute_force(drawn):
    """Each region goes, in turn, into the first map of which it shares no voxel."""
    regions = [region(mask, f"r{k}", k) for k, mask in enumerate(drawn)]
    expected = []  # sets of voxels and members
    for k, mask in enumerate(drawn):
        voxels = {tuple(index) for index in np.argwhere(mask)}
        for held, _members in expected:
            if not held & voxels:
                break
        else:
            held = set()
            expected.append((held, []))
        held |= voxels
        next(members for other, members in expected if other is held).append(k)
    found = pack(regions)
    assert [m.members for m in found] == [tuple(members) for _, members in expected]
    for label_map in found:
        assert label_map.array.dtype == np.uint8
        assert label_map.table == {n: f"r{k}" for n, k in enumerate(label_map.members, 1)}
        for label, k in enumerate(label_map.members, 1):
            np.testing.assert_array_equal(label_map.array == label, drawn[k])
        assert set(np.unique(label_map.array)) <= {0, *range(1, len(label_map.members) + 1)}


def test_many_labels_need_16_bits():
    regions = [region(np.arange(300).reshape(10, 30, 1) == k, f"r{k}") for k in range(300)]
    (found,) = pack(regions)
    assert found.array.dtype == np.uint16
    np.testing.assert_array_equal(found.array.ravel(), np.arange(1, 301))


def test_packing_refuses():
    assert pack([]) == ()
    with pytest.raises(ValueError, match="one grid"):
        pack([region(np.ones((2, 2, 2))), region(np.ones((2, 2, 3)))])
    with pytest.raises(ValueError, match="at least one voxel"):
        pack([region(np.zeros((2, 2, 2)))])


@given(masks)
def test_bounding_box_brute_force(mask):
    index = np.argwhere(mask)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    assert bounding_box(mask) == tuple(map(slice, low.tolist(), high.tolist()))


@settings(deadline=None)
@given(arrays(bool, (5, 4, 4), elements=st.integers(0, 4).map(lambda n: n == 0)).filter(np.any))
def test_components_by_sitk(mask):
    """SimpleITK's fully connected components, in the stated order of their centres."""
    affine = np.array([[-2.0, 0, 0, 9], [0, 3, 0, 1], [0, 0, -4, 5], [0, 0, 0, 1]])
    image = sitk.GetImageFromArray(mask.astype(np.uint8))  # the order of axes does not matter
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    centres = {}
    for label in range(1, labels.max() + 1):
        index = np.argwhere(labels == label).mean(axis=0)
        x, y, z = np.round(affine @ [*index, 1], 3)[:3]
        centres[label] = (-z, x, -y)  # head first, then left, then front
    order = sorted(centres, key=centres.get)
    found = split_components(region(mask, "GTV", 7), affine)
    assert [r.name for r in found] == [f"GTV {n}" for n in range(1, len(order) + 1)]
    if len(set(centres.values())) == len(centres):
        for one, label in zip(found, order, strict=True):
            np.testing.assert_array_equal(one.mask, labels == label)
    np.testing.assert_array_equal(sum(r.mask.astype(int) for r in found), mask)
    for one in found:
        size = one.mask.sum()
        assert bool(one.notes) == (size < 8 and len(found) > 1)
        assert one.number == 7


def signed_permutations():
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        for signs in product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            for axis, (target, sign) in enumerate(zip(order, signs, strict=True)):
                matrix[target, axis] = sign
            yield matrix


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 3), (-4, 5, 0), (40, 0, 0), (-40, -40, 9)])
def test_steps_and_put_brute_force(shift):
    """All 48 ways of turning a grid onto another: every voxel by its place, one by one."""
    generator = np.random.default_rng(1)
    rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    target = np.eye(4)
    target[:3, :3] = rotation * [1.5, 2.0, 3.0]
    target[:3, 3] = (11.0, -7.0, 3.0)
    shape, inside = (6, 5, 7), generator.random((4, 3, 5)) < 0.5
    for matrix in signed_permutations():
        relative = np.eye(4)
        relative[:3, :3], relative[:3, 3] = matrix, shift
        source = target @ relative
        steps = steps_between(inside.shape, source, target)
        mask, outside = np.zeros(shape, bool), 0
        expected, beyond = np.zeros(shape, bool), 0
        outside = put(inside, steps, mask)
        for index in np.argwhere(inside):
            voxel = np.rint(np.linalg.solve(target, source @ [*index, 1.0])).astype(int)[:3]
            if ((voxel >= 0) & (voxel < shape)).all():
                expected[tuple(voxel)] = True
            else:
                beyond += 1
        np.testing.assert_array_equal(mask, expected)
        assert outside == beyond
        box = (slice(1, 4), slice(0, 2), slice(2, 5))
        part = np.zeros(shape, bool)
        put(inside[box], steps.of_part(box), part)
        only = np.zeros_like(inside)
        only[box] = inside[box]
        again = np.zeros(shape, bool)
        put(only, steps, again)
        np.testing.assert_array_equal(part, again)


def along_x(mm):
    return np.array([[0, 0, 0, mm], [0] * 4, [0] * 4, [0] * 4], float)


@pytest.mark.parametrize(
    ("change", "coincide"),
    [
        (lambda a: a, True),
        (lambda a: a + along_x(0.009), True),
        (lambda a: a + along_x(0.011), False),
        (lambda a: a @ np.diag([1, 1, 1 + 0.008 / 12, 1]), True),  # 3 mm, 4 steps: 0.008 mm
        (lambda a: a @ np.diag([1, 1, 1 + 0.012 / 12, 1]), False),
        (lambda a: a @ np.diag([2, 1, 1, 1]), False),
        (lambda a: a @ np.diag([1, 1, 0, 1]), False),
        (lambda a: a + along_x(np.nan), False),
        (lambda a: a + along_x(1e30), False),
    ],
)
def test_tolerance_analytic(change, coincide):
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    assert (steps_between((4, 5, 5), change(affine), affine) is not None) == coincide
