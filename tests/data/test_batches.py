import copy

import pytest
from detectron2.data import DatasetCatalog

from boxmask_vid.data import build_vid_test_loader, in_batches
from boxmask_vid.data.batches import FrameBatchSampler
from boxmask_vid.errors import InputError
from support.small import small_cfg


def records(*frames: tuple) -> list[dict]:
    keys = ("video_id", "height", "width")
    return [
        {key: value for key, value in zip(keys, frame, strict=False) if value is not None}
        for frame in frames
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_batches_have_frames_of_one_video_and_one_size(size: int):
    frames = records(*[(1, 64, 96)] * 4, *[(2, 64, 96)] * 3, (2, 96, 64), *[(3, 64, 96)] * 2)
    batches = list(FrameBatchSampler(range(10), size, frames))
    assert [index for batch in batches for index in batch] == list(range(10))
    for batch in batches:
        assert all(frames[index] == frames[batch[0]] for index in batch)
        assert len(batch) <= size
    lengths = {1: [1] * 10, 2: [2, 2, 2, 1, 1, 2], 3: [3, 1, 3, 1, 2], 9: [4, 3, 1, 2]}
    assert [len(batch) for batch in batches] == lengths[size]
    assert len(FrameBatchSampler(range(10), size, frames)) == len(batches)


def test_still_images_of_one_size_are_a_batch_and_those_of_an_unknown_size_are_not():
    frames = records((None, 64, 96), (None, 64, 96), (None, 48, 96), (None,), (None,))
    assert list(FrameBatchSampler(range(5), 4, frames)) == [[0, 1], [2], [3], [4]]


def test_an_error_comes_after_what_came_before_it():
    def numbers():
        yield from range(5)
        raise OSError("the cable")

    batches = in_batches(numbers(), 3, lambda number: None)
    assert next(batches) == [0, 1, 2]
    assert next(batches) == [3, 4]
    with pytest.raises(OSError, match="the cable"):
        next(batches)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_of_an_evaluation_has_batches(synthetic_datasets, workers: int):
    name = synthetic_datasets[1]
    cfg = small_cfg("boxmask", "MODEL.VID.TEST.FRAMES_AT_ONCE", 4)
    cfg.DATALOADER.NUM_WORKERS = workers
    batches = list(build_vid_test_loader(cfg, name))
    frames = [record["image_id"] for record in DatasetCatalog.get(name)]
    assert [sample["image_id"] for batch in batches for sample in batch] == frames
    assert [len(batch) for batch in batches] == [4, 2, 4, 2]  # two videos of 6 frames
    assert ["reference_images" in sample for sample in batches[0]] == [True, False, False, False]


def test_a_loader_without_frames_is_refused(synthetic_datasets):
    cfg = copy.deepcopy(small_cfg("boxmask"))
    cfg.MODEL.VID.TEST.FRAMES_AT_ONCE = 0
    with pytest.raises(InputError, match="FRAMES_AT_ONCE is 0: it must be 1 or more"):
        build_vid_test_loader(cfg, synthetic_datasets[1])
