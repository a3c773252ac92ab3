from dataclasses import replace

import pytest
import torch
from reference_sitk import study

import petnet.imaging.store as store_module
from petnet.errors import InputError
from petnet.imaging.config import ImagingConfig, Window
from petnet.imaging.crop import crop_series, normalised
from petnet.imaging.store import CropStore, prepare_crops
from petnet.units import Unit

CONFIG = ImagingConfig(crop_shape=(12, 13, 14))


def unit(folder, name, seed=0, **changes):
    series = study(folder / name, "flipped", seed)
    return Unit(name, name, name, "c", (replace(series, **changes),))


def files(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("*")}


@pytest.fixture
def units(tmp_path):
    return [unit(tmp_path, "p1"), unit(tmp_path, "p2", 1, ct=None)]


def test_analytic_crops_are_those_of_the_transforms(units, tmp_path):
    store, status = prepare_crops(units, CONFIG, tmp_path / "cache")
    assert store.ids == ("p1", "p2")
    assert (store.channels, store.shape) == (("pet", "ct", "mask"), (12, 13, 14))
    assert [row["status"] for row in status] == ["ok", "ok"]
    direct = crop_series(units[0].series[0], CONFIG, "cpu")
    image = store.crops(["p2", "p1"])
    assert image.shape == (2, 3, 12, 13, 14)
    assert image.dtype == torch.float32
    assert image.device == torch.device("cpu")
    expected = [
        normalised(direct.pet_suv, CONFIG.pet_window("FDG")),
        normalised(direct.ct_hu, CONFIG.ct_window),
        direct.mask.float(),
    ]
    assert torch.equal(image[1], torch.stack(expected))
    absolute = store.absolute(["p2", "p1"])
    assert torch.equal(absolute["pet_suv"][1], direct.pet_suv)
    assert torch.equal(absolute["ct_hu"][1], direct.ct_hu)
    assert torch.equal(absolute["mask"][1], direct.mask)
    assert store.details("p1")["FDG/baseline"]["covered"] == direct.covered


def test_analytic_missing_ct_is_a_constant_and_marked(units, tmp_path):
    store, _ = prepare_crops(units, CONFIG, tmp_path / "cache")
    assert store.present(["p1", "p2"]).tolist() == [[True, True, True], [True, False, True]]
    assert (store.crops(["p2"])[:, 1] == 0).all()
    assert store.absolute(["p2"])["ct_hu"].isnan().all()


@pytest.mark.parametrize("keep", ["device", "disk"])
def test_analytic_kept_or_read_again_is_the_same(units, tmp_path, keep):
    store, _ = prepare_crops(units, CONFIG, tmp_path / "cache", keep=keep)
    first = store.crops(store.ids)
    assert torch.equal(store.crops(store.ids), first)
    assert len(store._kept) == (2 if keep == "device" else 0)


def test_cache_is_hit_by_content_wherever_the_files_lie(units, tmp_path):
    cache = tmp_path / "cache"
    before, _ = prepare_crops(units, CONFIG, cache)
    stamps = files(cache)
    assert len(stamps) == 2
    moved = [unit(tmp_path / "elsewhere", "other")]
    after, _ = prepare_crops(moved, CONFIG, cache)
    assert files(cache) == stamps
    assert torch.equal(after.crops(["other"]), before.crops(["p1"]))


def test_cache_is_missed_by_other_content_labels_geometry_and_version(units, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = units[:1]
    prepare_crops(first, CONFIG, cache)
    series = first[0].series[0]
    label = replace(series, regions=(replace(series.regions[0], label=1),))
    prepare_crops([replace(first[0], series=(label,))], CONFIG, cache)
    assert len(files(cache)) == 2
    for changes in ({"spacing_mm": 5.0}, {"antialias": False}, {"crop_shape": (8, 8, 8)}):
        prepare_crops(first, replace(CONFIG, **changes), cache)
    assert len(files(cache)) == 5
    monkeypatch.setattr(store_module, "STAGE_VERSION", 99)
    prepare_crops(first, CONFIG, cache)
    assert len(files(cache)) == 6
    monkeypatch.undo()
    content = bytearray(series.pet.read_bytes())
    content[-1] ^= 1
    series.pet.write_bytes(content)
    prepare_crops(first, CONFIG, cache)
    assert len(files(cache)) == 7


def test_masks_of_equal_bytes_may_be_asked_for_with_and_without_a_label(units, tmp_path):
    """And neither their order nor the place of the files matters to the cache."""
    cache = tmp_path / "cache"
    region = units[0].series[0].regions[0]
    copy = tmp_path / "copy.nii"
    copy.write_bytes(region.path.read_bytes())

    def cached(*pairs):
        regions = tuple(replace(region, path=path, label=label) for path, label in pairs)
        unit = replace(units[0], series=(replace(units[0].series[0], regions=regions),))
        store, status = prepare_crops([unit], CONFIG, cache)
        assert status[0]["status"] == "ok"
        return store.files["p1"]

    first = cached((region.path, None), (copy, 1))
    assert cached((copy, 1), (region.path, None)) == first
    assert cached((copy, None), (region.path, 1)) == first
    assert cached((copy, 2), (region.path, 1)) != first
    assert len(files(cache)) == 2


def test_another_window_is_another_image_from_the_same_file(units, tmp_path):
    cache = tmp_path / "cache"
    before, _ = prepare_crops(units[:1], CONFIG, cache)
    stamps = files(cache)
    wide = replace(CONFIG, ct_window=Window(-1000, 1000))
    after, _ = prepare_crops(units[:1], wide, cache)
    assert files(cache) == stamps
    assert not torch.equal(after.crops(["p1"])[:, 1], before.crops(["p1"])[:, 1])


def test_a_damaged_cache_file_is_made_again(units, tmp_path):
    cache = tmp_path / "cache"
    before, _ = prepare_crops(units[:1], CONFIG, cache)
    expected = before.crops(["p1"])
    (path,) = cache.glob("*")
    path.write_bytes(path.read_bytes()[:1000])
    after, status = prepare_crops(units[:1], CONFIG, cache)
    assert status[0]["status"] == "ok"
    assert torch.equal(after.crops(["p1"]), expected)


def test_broken_studies_become_status_rows_and_the_rest_goes_on(units, tmp_path):
    truncated = unit(tmp_path, "cut", 2)
    pet = truncated.series[0].pet
    pet.write_bytes(pet.read_bytes()[:5000])
    absent = unit(tmp_path, "absent", 3, pet=tmp_path / "nowhere.nii")
    unknown = unit(tmp_path, "tracer", 4, tracer="PSMA")
    bare = unit(tmp_path, "bare", 5, regions=())
    everyone = [truncated, units[0], absent, unknown, bare, units[1]]
    store, status = prepare_crops(everyone, CONFIG, tmp_path / "cache")
    assert store.ids == ("p1", "p2")
    assert [row["unit"] for row in status] == [u.id for u in everyone]
    assert all(row["stage"] == "imaging" for row in status)
    reasons = {row["unit"]: row["reason"] for row in status if row["status"] == "failed"}
    assert set(reasons) == {"cut", "absent", "tracer", "bare"}
    assert "pet.nii: voxel data: expected a complete NIfTI image" in reasons["cut"]
    assert "nowhere.nii: file: expected a readable file" in reasons["absent"]
    assert "a window for tracer 'PSMA', but got windows for FDG only" in reasons["tracer"]
    assert "expected one with a delineated region" in reasons["bare"]
    with pytest.raises(InputError, match="one of 2 units with a crop, but got 'cut'"):
        store.crops(["p1", "cut"])


def test_only_errors_that_a_user_can_mend_are_caught(units, tmp_path, monkeypatch):
    def bug(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(store_module, "crop_series", bug)
    with pytest.raises(ZeroDivisionError):
        prepare_crops(units, CONFIG, tmp_path / "cache")
    assert files(tmp_path / "cache") == {}


def test_the_status_says_what_of_the_lesion_is_covered(units, tmp_path):
    small = replace(CONFIG, crop_shape=(4, 4, 4))
    _, status = prepare_crops(units[:1], small, tmp_path / "cache")
    assert "FDG/baseline: the crop covers" in status[0]["reason"]


def test_analytic_several_series_are_more_channels(tmp_path):
    fdg = study(tmp_path / "fdg", "flipped", 0)
    fapi = replace(study(tmp_path / "fapi", "oblique", 1), arm="FAPI", tracer="FAPI")
    both, one = Unit("b", "b", "b", "c", (fdg, fapi)), Unit("o", "o", "o", "c", (fapi,))
    config = replace(
        CONFIG,
        channels=("pet", "mask"),
        pet_windows={"FDG": Window(0, 20), "FAPI": Window(0, 10)},
    )
    store, status = prepare_crops([both, one], config, tmp_path / "cache")
    assert [row["status"] for row in status] == ["ok", "ok"]
    assert store.channels == (
        "FDG_baseline_pet",
        "FDG_baseline_mask",
        "FAPI_baseline_pet",
        "FAPI_baseline_mask",
    )
    image = store.crops(["b", "o"])
    assert torch.equal(image[0, 2:], image[1, 2:])
    assert (image[1, :2] == 0).all()
    assert store.present(["o"]).tolist() == [[False, False, True, True]]
    assert (
        image[0, 2] == store.absolute(["b"])["FAPI_baseline_pet_suv"][0].clamp(0, 10) / 10
    ).all()
    chosen, _ = prepare_crops([both], config, tmp_path / "cache", series=[("FAPI", "baseline")])
    assert chosen.channels == ("pet", "mask")
    assert torch.equal(chosen.crops(["b"])[0], image[0, 2:])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_output_is_on_the_gpu(units, tmp_path):
    store, _ = prepare_crops(units, CONFIG, tmp_path / "cache", "cuda")
    made = [store.crops(store.ids), store.present(store.ids), *store.absolute(store.ids).values()]
    assert all(tensor.device.type == "cuda" for tensor in made)


def test_every_output_is_on_the_device_that_was_asked_for(units, tmp_path):
    made, _ = prepare_crops(units, CONFIG, tmp_path / "cache")
    tracers = {u.id: {("FDG", "baseline"): "FDG"} for u in units}
    store = CropStore(made.files, tracers, CONFIG, [("FDG", "baseline")], "meta")
    tensors = [store.crops(store.ids), store.present(store.ids)]
    tensors += store.absolute(store.ids).values()
    assert all(tensor.device.type == "meta" for tensor in tensors)
