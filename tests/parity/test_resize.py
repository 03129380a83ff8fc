"""Resizing and padding of images against the reference implementation."""

import numpy as np
import pytest
import torch
from detectron2.structures import ImageList

from boxmask_vid.data.dataset_mapper import build_resize
from support.golden import equal, load, load_json
from support.parity_models import SELSA, config


@pytest.mark.parametrize(("golden", "short", "long"), [("down", 24, 40), ("up", 120, 200)])
def test_imresize(golden: str, short: int, long: int):
    case = load("imresize")
    picture = case["src"].numpy()
    cfg = config(SELSA, "INPUT.MIN_SIZE_TEST", short, "INPUT.MAX_SIZE_TEST", long)
    resized = build_resize(cfg, is_train=False).get_transform(picture).apply_image(picture)
    equal(torch.from_numpy(resized), case[golden])


@pytest.mark.parametrize("is_train", [True, False])
def test_resize_table(is_train: bool):
    cfg = config()
    table = load_json("resize_table")
    assert len(table) == 63
    for row in table:
        picture = np.empty((row["h"], row["w"], 3), np.uint8)
        resize = build_resize(cfg, is_train).get_transform(picture)
        size = resize.new_height, resize.new_width
        assert size == (row["new_h"], row["new_w"])
        batch = ImageList.from_tensors([torch.empty(1, *size)], cfg.INPUT.VID.SIZE_DIVISIBILITY)
        assert batch.tensor.shape[-2:] == (row["pad_h"], row["pad_w"])
        scaled = resize.apply_coords(np.ones((1, 2), np.float32))[0]
        equal(torch.from_numpy(scaled), torch.tensor(row["scale_factor"]))
