import lightning.pytorch as pl
import pytest
import torch

from petnet.errors import InputError
from petnet.imaging.datamodule import TensorDataModule, epoch_order


class Recorder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.seen = {}

    def training_step(self, batch, _):
        self.seen.setdefault(self.current_epoch, []).extend(batch["index"].tolist())
        return self.layer(batch["radiomics"]).mean()

    def validation_step(self, batch, _):
        assert batch["index"].tolist() == [8, 9]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def data(**more):
    return TensorDataModule(
        torch.rand(10, 1, 2, 2, 2), torch.rand(10, 2), None, torch.arange(10.0), 3, 5, **more
    )


def train(module, epochs, tmp_path, checkpoint=None):
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, data(validation=[8, 9]), ckpt_path=checkpoint)
    return trainer


def test_analytic_batches_are_rows_of_the_tensors():
    loader = data().train_dataloader()
    assert len(loader) == len(list(loader)) == 3  # 3, 3 and 4: no batch of one
    for batch in loader:
        assert batch["target"].tolist() == batch["index"].tolist()
        assert set(batch) == {"image", "radiomics", "target", "index"}
    assert [len(b["index"]) for b in data().predict_dataloader()] == [3, 3, 3, 1]


def test_analytic_order_depends_on_seed_and_epoch_only():
    assert torch.equal(epoch_order(50, 1, 2), epoch_order(50, 1, 2))
    assert not torch.equal(epoch_order(50, 1, 2), epoch_order(50, 1, 3))
    assert not torch.equal(epoch_order(50, 1, 2), epoch_order(50, 2, 1))
    assert sorted(epoch_order(50, 1, 2).tolist()) == list(range(50))


def test_analytic_a_resumed_training_sees_the_same_order(tmp_path):
    whole = Recorder()
    train(whole, 4, tmp_path)
    assert sorted(whole.seen[0]) == list(range(8))
    assert whole.seen[0] != whole.seen[1]
    train(Recorder(), 2, tmp_path).save_checkpoint(tmp_path / "half.ckpt")
    resumed = Recorder()
    train(resumed, 4, tmp_path, tmp_path / "half.ckpt")
    assert resumed.seen == {2: whole.seen[2], 3: whole.seen[3]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"train": [0, 1], "validation": [1]}, "validation: expected no position of train"),
        ({"validation": [10]}, "positions in 0..9"),
    ],
)
def test_input_errors(more, message):
    with pytest.raises(InputError, match=message):
        data(**more)


def test_input_error_of_lengths():
    with pytest.raises(InputError, match="radiomics: expected 3 rows"):
        TensorDataModule(None, torch.rand(2, 2), None, torch.rand(3), 2, 0)
