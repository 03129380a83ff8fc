"""Worker processes of loaders: small shared memory, lost workers, slow disks."""

import os
import pickle
import signal
import threading
from pathlib import Path

import pytest
import torch
from detectron2.data.build import trivial_batch_collator
from torch.utils.data import DataLoader, Dataset

from boxmask_vid.data.timed_loader import next_batch
from boxmask_vid.data.workers import (
    PAGE,
    PickledByValue,
    SharedMemoryCheck,
    prepare_workers,
    size_in_shared_memory,
)
from boxmask_vid.errors import InputError
from support.small import clip


class Clips(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return clip(seed=index)


class Killed(Clips):
    def __getitem__(self, index: int) -> dict:
        os.kill(os.getpid(), signal.SIGKILL)


class Read(Dataset):
    """A file that is read; a named pipe takes as long as its other end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str:
        return self.path.read_text()


def loader(dataset: Dataset, workers: int = 1) -> DataLoader:
    return prepare_workers(
        DataLoader(dataset, num_workers=workers, collate_fn=trivial_batch_collator)
    )


def test_a_batch_that_may_not_fit_goes_through_the_pipe():
    small = loader(Clips())
    small.collate_fn = SharedMemoryCheck(trivial_batch_collator, batches=10**12)
    for index, (sample,) in enumerate(small):
        expected = clip(seed=index)
        assert torch.equal(sample["image"], expected["image"])
        assert torch.equal(
            sample["instances"].gt_boxes.tensor, expected["instances"].gt_boxes.tensor
        )
        # a tensor that came through /dev/shm is shared
        assert not sample["image"].is_shared()
    assert next(iter(loader(Clips())))[0]["image"].is_shared()


def test_the_size_in_shared_memory_counts_pages():
    sample = {"image": torch.zeros(3, 100, 100), "name": "x", "more": [torch.zeros(1)] * 2}
    assert size_in_shared_memory(sample) == 30 * PAGE + 2 * PAGE
    assert size_in_shared_memory([clip()]) > size_in_shared_memory(clip()["image"])


def test_pickled_values_arrive_as_they_are():
    value = [{"image": torch.arange(6).reshape(2, 3)}]
    (arrived,) = pickle.loads(pickle.dumps(PickledByValue(value)))
    assert torch.equal(arrived["image"], value[0]["image"])


def test_a_killed_worker_is_one_sentence():
    batches = iter(loader(Killed()))
    with pytest.raises(InputError, match=r"DataLoader worker \(pid.*NUM_WORKERS.*--shm-size"):
        next_batch(batches, 1)


def test_a_process_that_waits_for_data_says_so(tmp_path, caplog):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write_when_it_is_said() -> None:
        while "has been waiting for data" not in caplog.text:
            os.sched_yield()
        path.write_text("at last")

    writer = threading.Thread(target=write_when_it_is_said)
    writer.start()
    assert next_batch(iter(loader(Read(path), workers=0)), 0, after=0.05) == ["at last"]
    writer.join()
    assert "Process 0 of 1 has been waiting for data (DATALOADER.NUM_WORKERS 0" in caplog.text


def test_only_the_loader_ends_its_workers():
    batches = iter(loader(Clips(), workers=2))
    first = [next(batches), next(batches)]  # one of each worker: both have started
    workers = [worker.pid for worker in batches._workers]
    child = os.fork()
    if child == 0:  # another process than the loader's
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
        os._exit(0)
    os.waitpid(child, 0)
    assert len(first + list(batches)) == 4
    processes = batches._workers
    processes[0].terminate()
    processes[0].join()
    assert processes[0].exitcode == 0
