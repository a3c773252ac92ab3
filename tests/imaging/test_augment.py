import pytest
import torch

from petnet.errors import InputError
from petnet.imaging.augment import Augmentation, _state, keyed_normal, keyed_uniform

FULL = Augmentation(
    flip=True, rotate_deg=15, scale=0.1, translate_vox=2, noise=0.02, gain=0.2, gamma=0.2
)


def batch(n=6, shape=(9, 10, 11), seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand((n, 3, *shape), generator=generator)
    image[:, 2] = (image[:, 2] > 0.5).float()
    return image, torch.arange(100, 100 + n)


def ball(n=24, radius=6.0):
    axis = torch.arange(n) - (n - 1) / 2
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.exp(-(x**2 + y**2 + z**2) / (2 * radius**2))[None, None]


def test_analytic_identity_when_every_magnitude_is_zero():
    image, keys = batch()
    assert Augmentation()(image, keys, 1, 2) is image


@pytest.mark.parametrize("parts", [[[0], [1], [2, 3, 4, 5]], [[5, 4, 3, 2, 1, 0]]])
def test_analytic_independent_of_batch_composition(parts):
    image, keys = batch()
    whole = FULL(image, keys, seed=3, epoch=4)
    for part in parts:
        assert torch.equal(FULL(image[part], keys[part], 3, 4), whole[part])


def test_analytic_keyed_by_seed_epoch_and_key():
    image, keys = batch()
    base = FULL(image, keys, 3, 4)
    assert torch.equal(base, FULL(image, keys, 3, 4))
    for other in (FULL(image, keys, 4, 4), FULL(image, keys, 3, 5), FULL(image, keys + 1, 3, 4)):
        differs = (other != base).flatten(1).any(1)
        assert differs.all()
    assert not torch.equal(FULL(image, keys, 4, 3), base)


def test_analytic_input_is_not_written_to():
    image, keys = batch()
    before = image.clone()
    FULL(image, keys, 0, 0)
    assert torch.equal(image, before)


def test_analytic_symmetric_object_survives_rotation():
    image = ball(40, 5.0).repeat(4, 1, 1, 1, 1)
    turned = Augmentation(rotate_deg=45)(image, torch.arange(4), 0, 0)
    assert (turned - image).abs().max() < 3 / (8 * 5**2) + 1e-3  # linear interpolation


def test_analytic_translation_moves_the_centre():
    image = ball(32, 3.0).repeat(8, 1, 1, 1, 1)
    moved = Augmentation(translate_vox=3)(image, torch.arange(8), 0, 0)
    axis = torch.arange(32) - 15.5
    mass = moved[:, 0].sum((1, 2, 3))
    for dim, view in enumerate([(-1, 1, 1), (1, -1, 1), (1, 1, -1)]):
        centre = (moved[:, 0] * axis.view(view)).sum((1, 2, 3)) / mass
        expected = 6 * keyed_uniform(_state(torch.arange(8), 0, 0), 4, 3)[:, dim] - 3
        assert torch.allclose(centre.double(), expected, atol=0.02)


def test_analytic_scale_changes_the_volume_by_its_cube():
    image = ball(40, 4.0).repeat(8, 1, 1, 1, 1)
    zoomed = Augmentation(scale=0.2)(image, torch.arange(8), 0, 0)
    factor = 1.2 ** (2 * keyed_uniform(_state(torch.arange(8), 0, 0), 3, 1)[:, 0] - 1)
    ratio = zoomed.sum((1, 2, 3, 4)) / image.sum((1, 2, 3, 4))
    assert torch.allclose(ratio.double(), factor**3, rtol=0.02)


def test_analytic_flips_are_permutations_of_voxels():
    image, keys = batch(16)
    flipped = Augmentation(flip=True)(image, keys, 0, 0)
    assert torch.equal(flipped.flatten(2).sort().values, image.flatten(2).sort().values)
    changed = (flipped != image).flatten(1).any(1)
    assert changed.any()


def test_analytic_intensity_touches_pet_only_and_gain_is_one_factor():
    image, keys = batch()
    made = Augmentation(gain=0.3, noise=0.01, gamma=0.1)(image, keys, 0, 0)
    assert torch.equal(made[:, 1:], image[:, 1:])
    assert not torch.equal(made[:, 0], image[:, 0])
    ratio = (Augmentation(gain=0.3)(image, keys, 0, 0)[:, 0] / image[:, 0]).flatten(1)
    assert (ratio.std(1) < 1e-6).all()
    assert ((ratio > 1 / 1.3) & (ratio < 1.3)).all()
    assert ratio[:, 0].std() > 0.01


def test_analytic_mask_stays_binary_and_roles_follow_the_names():
    image, keys = batch()
    assert set(FULL(image, keys, 0, 0)[:, 2].unique().tolist()) == {0.0, 1.0}
    named = FULL.for_channels(["fdg_pre_mask", "fdg_pre_ct", "fapi_pre_pet"])
    made = named(image.flip(1), keys, 0, 0)
    assert set(made[:, 0].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(made.flip(1), FULL(image, keys, 0, 0))


def test_analytic_uniform_and_normal_have_their_moments():
    state = _state(torch.arange(50), 7, 8)
    u, z = keyed_uniform(state, 1, 2000), keyed_normal(state, 1, 2000, torch.float64)
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.015
    assert abs(z.std() - 1) < 0.01
    assert abs(torch.corrcoef(torch.stack([u[:, :-1].flatten(), u[:, 1:].flatten()]))[0, 1]) < 0.02
    assert abs(torch.corrcoef(u).fill_diagonal_(0)).max() < 0.12
    assert u.unique().numel() == u.numel()


def test_input_errors_show_the_shapes():
    image, keys = batch()
    with pytest.raises(InputError, match=r"keys \(B,\)"):
        FULL(image, keys[:2], 0, 0)
    with pytest.raises(InputError, match="channels"):
        FULL.for_channels(["pet"])(image, keys, 0, 0)
    with pytest.raises(InputError, match="rotate_deg: expected"):
        Augmentation(rotate_deg=-1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cpu_twin_cuda_gives_the_same_images():
    image, keys = batch()
    made = FULL(image.cuda(), keys, 3, 4)
    assert made.device.type == "cuda"
    soft = Augmentation(rotate_deg=15, scale=0.1, translate_vox=2, noise=0.02, gain=0.2)
    assert torch.allclose(
        soft(image.cuda(), keys, 3, 4)[:, :2].cpu(), soft(image, keys, 3, 4)[:, :2], atol=1e-4
    )
