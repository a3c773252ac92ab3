import base64
import io

import numpy as np
import pytest
from PIL import Image

from petnet.errors import InputError
from petnet.reporting.images import View, pictures, read_gallery

PLANE = np.zeros((4, 5), dtype=np.uint8)


def decoded(picture):
    raw = base64.b64decode(picture.data.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).astype(int)


def view(name="axial"):
    pet = np.zeros((6, 8), dtype=np.uint8)
    pet[2:4, 3:6] = 255
    ct = np.full((6, 8), 100, dtype=np.uint8)
    return View(name, pet, ct, pet > 0, (2.0, 3.0))


def test_pet_is_inverted_ct_is_as_stored_and_fusion_shows_both():
    ct, pet, fused = pictures(view())
    assert [p.kind for p in (ct, pet, fused)] == ["ct", "pet", "fused"]
    assert (decoded(pet)[..., 0] == 255 - view().pet).all()
    assert (decoded(ct) == 100).all()
    hot, cold = decoded(fused)[3, 4], decoded(fused)[0, 0]
    assert hot.min() > 200
    assert np.ptp(cold) == 0
    assert abs(cold[0] - 92) <= 1


def test_size_and_outline_are_in_mm():
    pet = pictures(view())[1]
    assert (pet.width, pet.height) == (24.0, 12.0)
    points = np.array([p.split(",") for p in pet.outline.strip("MZ").split(" ")], dtype=float)
    # halfway between pixel centres: the pixels 3..5 × 2..3 of 3 × 2 mm
    assert points.min(axis=0).tolist() == [9.0, 4.0]
    assert points.max(axis=0).tolist() == [18.0, 8.0]


def test_a_lesion_at_the_edge_is_outlined_whole_and_none_gives_no_path():
    whole = np.ones((3, 3), dtype=bool)
    picture = pictures(View("mip", whole.astype(np.uint8), None, whole, (1.0, 1.0)))[0]
    assert picture.outline.count("M") == picture.outline.count("Z") == 1
    nothing = View("mip", whole.astype(np.uint8), None, None, (1.0, 1.0))
    assert pictures(nothing)[0].outline == ""


def test_gallery_file_is_read_in_the_order_of_the_page(tmp_path):
    path = tmp_path / "a.npz"
    plane = np.zeros((4, 5), dtype=np.uint8)
    stored = {"axial_pet": plane, "axial_ct": plane, "mip_pet": plane}
    np.savez(
        path, **stored, slice_spacing_mm=2.0, mip_spacing_mm=[9.0, 5.0, 4.0], pet_range_suv=[0, 10]
    )
    gallery = read_gallery(path)
    mip, axial = gallery.views
    assert (mip.name, mip.spacing_mm, mip.ct) == ("mip", (5.0, 4.0), None)
    assert (axial.name, axial.spacing_mm) == ("axial", (2.0, 2.0))
    assert (gallery.pet_range_suv, gallery.ct_range_hu) == ((0.0, 10.0), None)


def test_empty_margins_are_trimmed_alike_in_all_planes(tmp_path):
    path = tmp_path / "a.npz"
    ct, pet = np.zeros((2, 30, 40), dtype=np.uint8)
    ct[10:20, 12:18] = 9
    pet[12, 20] = 200
    np.savez(path, axial_pet=pet, axial_ct=ct)
    (axial,) = read_gallery(path).views
    assert axial.ct.shape == axial.pet.shape == (10 + 6, 9 + 6)
    assert (axial.ct[3:-3, 3:9] == 9).all()
    assert axial.pet[5, 11] == 200


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"axial_pet": PLANE.astype(np.float32)}, "uint8"),
        ({"axial_pet": PLANE, "axial_ct": PLANE[1:]}, "shape"),
        ({"axial_pet": PLANE, "axial_spacing_mm": [0.0, 1.0]}, "positive"),
    ],
)
def test_a_wrong_array_is_an_error_that_names_the_file(tmp_path, arrays, said):
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"wrong\.npz.*{said}"):
        read_gallery(path)


def test_a_broken_file_and_a_pickle_are_refused(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match=r"broken\.npz"):
        read_gallery(path)
    np.savez(path, axial_pet=np.array([object()]))
    with pytest.raises(InputError, match=r"broken\.npz"):
        read_gallery(path)
