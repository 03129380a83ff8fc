"""Reference frames of key frames against the reference implementation."""

import random

import cv2
import numpy as np
import pytest

from boxmask_vid.data import VIDDatasetMapper
from boxmask_vid.references import BilateralUniformSampler, build_reference_policy
from support.golden import load_json
from support.parity_models import SELSA, config


def settings(name: str) -> list[str]:
    """Options for a case "<number>_<from>_<to>" or "<number>_<from>_<to>_s<stride>"."""
    number, first, last, *stride = name.split("_")
    assert int(last) - int(first) == int(number)
    opts = ["MODEL.VID.TEST.NUM_REFERENCES", number]
    opts += ["MODEL.VID.TEST.REFERENCES", "fixed" if stride else "adaptive"]
    return opts + (["MODEL.VID.TEST.STRIDE", stride[0].removeprefix("s")] if stride else [])


ADAPTIVE = ("14_-7_7", "30_-15_15", "4_-2_2")
FIXED = ("14_-7_7_s1", "30_-15_15_s1", "6_-3_3_s2", "4_-2_2_s1", "20_-10_10_s10")


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_reference_frames(name: str):
    table = load_json("ref_sampling")["adaptive"]
    assert set(table) == set(ADAPTIVE)
    policy = build_reference_policy(config(SELSA, *settings(name)))
    for length, frames in table[name].items():
        for frame, expected in frames.items():
            drawn = policy.frames_to_load(int(frame), int(length), is_first=frame == "0")
            assert (drawn or []) == expected


@pytest.mark.parametrize("name", FIXED)
def test_fixed_stride_reference_frames(name: str):
    table = load_json("ref_sampling")["fix"]
    assert set(table) == set(FIXED)
    cfg = config(SELSA, *settings(name))
    policy = build_reference_policy(cfg)
    for length, frames in table[name].items():
        for frame, expected in frames.items():
            drawn = policy.frames_to_load(int(frame), int(length), is_first=frame == "0")
            assert (drawn or []) == expected["refs"]
            # the key frame takes the place in the middle, as in FixedReferences
            assert expected["num_left_ref_imgs"] == cfg.MODEL.VID.TEST.NUM_REFERENCES // 2
            assert expected["frame_stride"] == cfg.MODEL.VID.TEST.STRIDE


def test_bilateral_reference_frames():
    """The same frames come up, and with Python's generator in the same state the same draws."""
    table = load_json("ref_sampling")["bilateral_uniform_frame_range_9_refs_2"]
    sample = BilateralUniformSampler.from_config(config())
    for length, frames in table.items():
        for frame, golden in frames.items():
            key, candidates = int(frame), {*golden["left_candidates"], *golden["right_candidates"]}
            draws = [sample(key, int(length), random.Random(seed)) for seed in range(24)]
            assert draws == golden["draws_random_seed_0_23"]
            more = (sample(key, int(length), random.Random(seed)) for seed in range(24, 300))
            assert {frame for draw in (*draws, *more) for frame in draw} == candidates


def test_still_images_are_their_own_references(tmp_path):
    golden = load_json("ref_sampling")["det_frame_range_0"]
    file_name = str(tmp_path / "image.png")
    cv2.imwrite(file_name, np.zeros((60, 100, 3), np.uint8))
    mapper = VIDDatasetMapper(config(SELSA, "DATASETS.TRAIN", "()"), True)
    sample = mapper({"file_name": file_name, "height": 60, "width": 100, "annotations": []})
    assert all(image is sample["image"] for image in sample["reference_images"])
    assert [golden["key"]] * len(sample["reference_images"]) == golden["refs"]
