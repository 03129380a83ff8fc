"""Losses on the test set, and the end of a training that does not improve."""

import json
from pathlib import Path

import pytest
import torch

from boxmask_vid.engine import Trainer
from boxmask_vid.errors import InputError
from support.small import small_cfg


def trainer(output: Path, datasets: tuple[str, str], *opts: object) -> Trainer:
    """A trainer that learns nothing, for at most 12 iterations."""
    sets = ("DATASETS.TRAIN", (datasets[0],), "DATASETS.TEST", (datasets[1],))
    still = ("SOLVER.BASE_LR", 0.0, "SOLVER.MAX_ITER", 12, "SOLVER.IMS_PER_BATCH", 1)
    cfg = small_cfg("selsa", *sets, *still, "OUTPUT_DIR", output, *opts)
    return Trainer(cfg)


def history(training: Trainer, name: str) -> dict[int, float]:
    """Values of a metric by iteration."""
    return {iteration: value for value, iteration in training.storage.history(name).values()}


def test_losses_on_the_test_set_are_those_of_the_same_frames(synthetic_datasets, tmp_path):
    opts = ("SOLVER.MAX_ITER", 5, "TEST.LOSS_PERIOD", 2, "MODEL.RESNETS.NORM", "LN")
    training = trainer(tmp_path, synthetic_datasets, *opts)
    training.train()
    total = history(training, "validation/total_loss")
    assert list(total) == [1, 3, 4]  # after every second iteration and the last
    assert len(set(total.values())) == 1  # nothing was learned, and the samples are the same
    parts = ("loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg")
    values = [history(training, f"validation/{name}")[4] for name in parts]
    assert total[4] == pytest.approx(sum(values))
    rows = map(json.loads, (tmp_path / "metrics.json").read_text().splitlines())
    assert [row["iteration"] for row in rows if "validation/total_loss" in row] == [4]


def test_a_validation_changes_no_state_of_the_model(synthetic_datasets, tmp_path):
    training = trainer(tmp_path, synthetic_datasets, "TEST.LOSS_PERIOD", 1)
    (hook,) = [h for h in training._hooks if type(h).__name__ == "ValidationLoss"]
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    numbers = torch.get_rng_state()
    with pytest.raises(AttributeError, match="storage"):  # which only a training in progress has
        hook.after_step()
    assert torch.equal(torch.get_rng_state(), numbers)
    for name, value in training.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(module.training for module in training.model.modules())


@pytest.mark.slow
def test_a_training_that_does_not_improve_ends(synthetic_datasets, tmp_path):
    opts = ("TEST.EVAL_PERIOD", 2, "TEST.PATIENCE", 2, "SOLVER.CHECKPOINT_PERIOD", 3)
    norm = ("MODEL.RESNETS.NORM", "LN")
    training = trainer(tmp_path, synthetic_datasets, *opts, *norm)
    training.train()
    # one that improved, two that did not
    assert list(history(training, "bbox/AP50")) == [1, 3, 5]
    state = torch.load(tmp_path / "model_final.pth")["trainer"]
    assert state["iteration"] == 5
    resumed = trainer(tmp_path, synthetic_datasets, *opts, *norm)
    resumed.resume_or_load(resume=True)
    resumed.train()
    assert resumed.iter == 6  # nothing more is trained
    patient = trainer(tmp_path, synthetic_datasets, *opts, *norm, "TEST.PATIENCE", 3)
    patient.resume_or_load(resume=True)
    patient.train()
    assert patient.iter == 7  # one more evaluation


def test_what_cannot_be_validated_is_said_before_the_training(synthetic_datasets, tmp_path):
    for opts, message in (
        (("TEST.PATIENCE", 2, "TEST.EVAL_PERIOD", 0), "set TEST.EVAL_PERIOD"),
        (("TEST.LOSS_PERIOD", 2, "DATASETS.TEST", "()"), "name one in DATASETS.TEST"),
    ):
        with pytest.raises(InputError, match=message):
            trainer(tmp_path, synthetic_datasets, *opts)
