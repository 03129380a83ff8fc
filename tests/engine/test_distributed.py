"""Data-parallel training on two processes without GPUs."""

import pytest
import torch
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from boxmask_vid.data import register_vid_instances
from boxmask_vid.engine import Trainer
from boxmask_vid.engine.processes import run_in_processes
from support.small import small_cfg

pytestmark = pytest.mark.slow


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def compare_gradients(json_file: str, images: str, output: str) -> None:
    """Compare the mean of the gradients of all ranks with that of data-parallel training."""
    register_vid_instances("distributed", {}, json_file, images)
    cfg = small_cfg("boxmask", "DATASETS.TRAIN", "('distributed',)", "DATASETS.TEST", "()")
    cfg.SOLVER.IMS_PER_BATCH, cfg.OUTPUT_DIR = 2, output
    trainer = Trainer(cfg)
    parallel = trainer.model
    assert isinstance(parallel, torch.nn.parallel.DistributedDataParallel)
    batch = next(iter(trainer.data_loader))
    assert len(batch) == 1

    def backward(model: torch.nn.Module) -> dict[str, torch.Tensor]:
        model.zero_grad(set_to_none=True)
        torch.manual_seed(comm.get_rank())
        with EventStorage():
            sum(model(batch).values()).backward()
        return gradients(parallel.module)

    own = comm.all_gather(backward(parallel.module))
    together = backward(parallel)
    assert together.keys() == own[0].keys() == dict(parallel.module.named_parameters()).keys()
    different = 0
    for name, gradient in together.items():
        mean = (own[0][name] + own[1][name]) / 2
        torch.testing.assert_close(gradient, mean, rtol=1e-4, atol=1e-6)
        different += not torch.allclose(own[0][name], own[1][name])
    assert different > len(together) / 2  # the two ranks had different clips
    if comm.is_main_process():
        torch.save(len(together), f"{output}/compared.pt")


def test_gradients_are_averaged_over_processes(synthetic_root, tmp_path):
    tree = synthetic_root / "synthetic_vid"
    json_file = tree / "coco_vid/imagenet_vid_train.json"
    arguments = (str(json_file), str(tree / "Data/VID"), str(tmp_path))
    run_in_processes(compare_gradients, arguments, num_gpus=2)
    assert torch.load(tmp_path / "compared.pt") > 100
