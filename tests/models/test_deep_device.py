"""A fit is the same bytes each time and a resumed one too, on every device; float32 is float32."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_cases import Crops, cohort, tiny

from petnet.models.deep import DeepModel
from petnet.models.lightning_module import TrainingModule
from petnet.models.network import FusionNetwork
from petnet.models.protocol import FitContext
from petnet.models.training import full_float32

CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def on(samples, device):
    """Return the samples with their crops on a device, as a store gives them."""
    crops = Crops(samples.ids, samples.images.array)
    crops.array = crops.array.to(device)
    return replace(samples, images=crops)


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture
def train(device):
    return on(cohort(30, 1, blob=0.5, radiomics=0.5, clinical=0.5), device)


def fit(train, device, workdir=None, **changes):
    return tiny(epochs=3, **changes).fit(train, [], FitContext(9, workdir, device))


def files(model, folder):
    model.save(folder)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_two_fits_are_the_same_bytes_and_predict_the_same(train, device, tmp_path):
    one, two = fit(train, device), fit(train, device)
    assert files(one, tmp_path / "one") == files(two, tmp_path / "two")
    np.testing.assert_array_equal(one.predict(train), two.predict(train))
    np.testing.assert_array_equal(one.predict(train), one.predict(train))
    loaded = DeepModel.load(tmp_path / "one")
    np.testing.assert_array_equal(loaded.predict(train), one.predict(train))


class Interrupted(Exception):
    pass


def test_interrupted_and_resumed_equals_uninterrupted(train, device, tmp_path, monkeypatch):
    whole = fit(train, device)
    step = TrainingModule.training_step

    def interrupted(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (2, 1):
            raise Interrupted
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", interrupted)
        with pytest.raises(Interrupted):
            fit(train, device, tmp_path)
    torch.rand(17, device=device)  # a resumed process has another history of random numbers
    resumed = fit(train, device, tmp_path)
    np.testing.assert_array_equal(resumed.predict(train), whole.predict(train))
    assert resumed.history == whole.history


def test_a_network_predicts_the_same_on_each_device(device, train):
    """To what the order of float32 sums leaves; TF32 would be a thousandth off."""
    there = fit(train, device)
    expected = there.predict(on(train, "cpu"))
    np.testing.assert_allclose(there.predict(train), expected, rtol=0, atol=1e-5)


def precisions():
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.fixture
def relaxed():
    """Settings of a user who wants speed."""
    before = precisions()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    yield (True, "high")
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


def test_training_is_deterministic_and_nothing_uses_tf32_and_the_settings_stay(
    relaxed, train, device, monkeypatch
):
    seen = []
    forward = FusionNetwork.forward

    def spied(self, batch):
        if self.training:
            assert torch.are_deterministic_algorithms_enabled()
        seen.append((self.training, *precisions()))
        return forward(self, batch)

    monkeypatch.setattr(FusionNetwork, "forward", spied)
    model = fit(train, device)
    assert precisions() == relaxed
    model.predict(train)
    assert precisions() == relaxed
    assert set(seen) == {(True, False, "highest"), (False, False, "highest")}


def test_settings_come_back_after_a_failure(relaxed):
    def fail():
        assert precisions() == (False, "highest")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), full_float32():
        fail()
    assert precisions() == relaxed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_convolution_and_product_are_those_of_float64():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand((4, 8, 16, 16, 16), generator=generator, dtype=torch.float64).cuda()
    weight = torch.rand((8, 8, 3, 3, 3), generator=generator, dtype=torch.float64).cuda()
    matrix = torch.rand((512, 512), generator=generator, dtype=torch.float64).cuda()
    with full_float32():
        volume = torch.nn.functional.conv3d(image.float(), weight.float())
        product = matrix.float() @ matrix.float()
    exact = torch.nn.functional.conv3d(image, weight), matrix @ matrix
    for found, expected in zip((volume, product), exact, strict=True):
        assert ((found - expected) / expected).abs().max() < 1e-5
