import pickle

import pytest
import torch

from boxmask_vid.data import VideoIndex


def test_names_and_lengths():
    index = VideoIndex({"a": ["a/0.jpg", "a/é.jpg"], "b": ["b/0.jpg"], "none": []})
    assert len(index) == 3
    assert [index.length(video) for video in ("a", "b", "none")] == [2, 1, 0]
    assert index.file_name("a", 1) == "a/é.jpg"
    assert index.file_name("b", 0) == "b/0.jpg"
    assert "c" not in index
    with pytest.raises(IndexError, match="frames 0 to 1, not 2"):
        index.file_name("a", 2)
    with pytest.raises(IndexError):
        index.file_name("a", -1)


def test_names_lie_in_tensors_that_processes_share():
    index = VideoIndex({video: [f"{video}/{i}" for i in range(100)] for video in range(50)})
    tensors = [value for value in vars(index).values() if isinstance(value, torch.Tensor)]
    without = pickle.dumps(
        {k: v for k, v in vars(index).items() if not isinstance(v, torch.Tensor)}
    )
    assert sum(tensor.numel() * tensor.element_size() for tensor in tensors) > 50_000
    assert len(without) < 5_000
