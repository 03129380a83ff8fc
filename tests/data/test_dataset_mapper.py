import copy
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from pycocotools.mask import encode

from boxmask_vid.apps.dataset_tools.synthetic import HEIGHT, WIDTH
from boxmask_vid.data import VIDDatasetMapper
from boxmask_vid.errors import InputError
from boxmask_vid.structures import BoxMasks
from support.small import small_cfg


@pytest.fixture(scope="module")
def cfg(synthetic_datasets):
    """Frames keep their size."""
    train, val = synthetic_datasets
    names = ["DATASETS.TRAIN", f"('{train}',)", "DATASETS.TEST", f"('{val}',)"]
    sizes = ["INPUT.MIN_SIZE_TRAIN", f"({HEIGHT},)", "INPUT.MAX_SIZE_TRAIN", WIDTH]
    sizes += ["INPUT.MIN_SIZE_TEST", HEIGHT, "INPUT.MAX_SIZE_TEST", WIDTH]
    return small_cfg("boxmask", *names, *sizes)


@pytest.fixture(scope="module")
def record(cfg) -> dict:
    records = DatasetCatalog.get(cfg.DATASETS.TRAIN[0])
    return next(r for r in records if r["frame_index"] == 3 and r["annotations"])


def pixels(file_name: str) -> torch.Tensor:
    """A frame as the mapper is to deliver it without flip (the size is kept)."""
    return torch.from_numpy(cv2.imread(file_name)[:, :, ::-1].transpose(2, 0, 1).copy())


def test_key_frame_keeps_detectron2s_keys_and_brings_two_neighbours(cfg, record):
    mapper = VIDDatasetMapper(cfg, True)
    sample = mapper({**record, "sample_seed": 1})
    assert sample["image"].shape == (3, HEIGHT, WIDTH)
    assert sample["image"].dtype == torch.uint8
    assert (sample["height"], sample["width"]) == (HEIGHT, WIDTH)
    assert {"image_id", "video_id", "frame_index", "file_name"} <= set(sample)
    assert "annotations" not in sample
    assert len(sample["reference_images"]) == 2
    assert len(sample["instances"]) == len(record["annotations"])


def test_flip_is_drawn_once_for_the_clip(cfg, record):
    mapper = VIDDatasetMapper(cfg, True)
    folder = Path(record["file_name"]).parent
    frames = [pixels(str(folder / f"{index:06d}.JPEG")) for index in range(6)]
    flipped = set()
    for seed in range(12):
        sample = mapper({**record, "sample_seed": seed})
        is_flipped = torch.equal(sample["image"], frames[3].flip(2))
        assert is_flipped or torch.equal(sample["image"], frames[3])
        flipped.add(is_flipped)
        for reference in sample["reference_images"]:
            upright = reference.flip(2) if is_flipped else reference
            found = [index for index, frame in enumerate(frames) if torch.equal(upright, frame)]
            assert len(found) == 1
            assert found[0] != 3
        x1, _, w, _ = record["annotations"][0]["bbox"]
        left = WIDTH - x1 - w if is_flipped else x1
        assert sample["instances"].gt_boxes.tensor[0, 0].item() == pytest.approx(max(left, 0))
    assert flipped == {True, False}


def test_masks_are_the_boxes_in_whole_pixels(cfg, record):
    mapper = VIDDatasetMapper(cfg, True)
    for seed in range(4):
        instances = mapper({**record, "sample_seed": seed})["instances"]
        expected = instances.gt_boxes.tensor.round()
        torch.testing.assert_close(instances.gt_masks.tensor, expected)
        assert instances.gt_masks.canvas_size == (HEIGHT, WIDTH)


def test_a_seed_decides_everything_and_the_record_is_not_touched(cfg, record):
    mapper = VIDDatasetMapper(cfg, True)
    before = copy.deepcopy(record)
    first, second = (mapper({**record, "sample_seed": 5}) for _ in range(2))
    assert torch.equal(first["image"], second["image"])
    for a, b in zip(first["reference_images"], second["reference_images"], strict=True):
        assert torch.equal(a, b)
    assert record == before
    mapper(record)
    assert record == before


def test_a_still_image_is_its_own_reference_twice(cfg, record):
    still = {
        k: v for k, v in record.items() if k not in ("video_id", "frame_index", "dataset_name")
    }
    sample = VIDDatasetMapper(cfg, True)(still)
    assert [image is sample["image"] for image in sample["reference_images"]] == [True, True]
    assert "reference_images" not in VIDDatasetMapper(cfg, False)(still)


def test_a_still_image_without_size_gets_that_of_its_file(cfg, record):
    """Boxes are scaled back to it."""
    still = {key: record[key] for key in ("file_name", "image_id", "annotations")}
    sample = VIDDatasetMapper(cfg, False)(still)
    assert (sample["height"], sample["width"]) == (HEIGHT, WIDTH)
    with_masks = VIDDatasetMapper(cfg, True)(still)["instances"]
    assert len(with_masks.gt_masks) == len(record["annotations"])


def test_boxes_of_whole_numbers_are_resized_like_others(cfg, record):
    """Still images have the numbers of their JSON; those of ImageNet DET are whole."""
    half = cfg.clone()
    half.INPUT.MIN_SIZE_TRAIN = (HEIGHT // 2,)
    boxes = []
    for kind in (int, float):
        changed = copy.deepcopy(record)
        changed["annotations"] = changed["annotations"][:1]
        changed["annotations"][0]["bbox"] = [kind(side) for side in (12, 8, 40, 30)]
        instances = VIDDatasetMapper(half, True)({**changed, "sample_seed": 1})["instances"]
        boxes.append(instances.gt_boxes.tensor)
        torch.testing.assert_close(instances.gt_boxes.tensor, instances.gt_masks.tensor)
    assert torch.equal(*boxes)


@pytest.mark.parametrize("divisibility", [0, 16])
def test_masks_and_keypoints_of_still_images_are_left_out(cfg, record, divisibility: int):
    """As Detectron2's mapper does: run-length masks and keypoints would be errors."""
    changed = copy.deepcopy(record)
    mask = np.asfortranarray(np.ones((HEIGHT, WIDTH), np.uint8))
    for box in changed["annotations"]:
        box |= {"segmentation": encode(mask), "keypoints": [9, 9, 2] * 17}
    boxes_only = cfg.clone()
    boxes_only.INPUT.VID.SIZE_DIVISIBILITY = divisibility
    for seed in range(4):  # flipped and not
        sample = VIDDatasetMapper(boxes_only, True)({**changed, "sample_seed": seed})
        fields = sample["instances"].get_fields()
        assert fields.keys() == {"gt_boxes", "gt_classes", "gt_masks"}
        assert isinstance(fields["gt_masks"], BoxMasks)


def test_crowds_and_vanished_boxes_are_left_out(cfg, record):
    changed = copy.deepcopy(record)
    box = changed["annotations"][0]
    changed["annotations"] += [
        {**box, "iscrowd": 1},
        {**box, "bbox": [-30, -30, 30, 30]},  # touches the image in nothing
    ]
    instances = VIDDatasetMapper(cfg, True)(changed)["instances"]
    assert len(instances) == len(record["annotations"]) == len(instances.gt_masks)


def test_the_first_test_frame_brings_the_references_of_its_video(cfg):
    mapper = VIDDatasetMapper(cfg, False)
    records = DatasetCatalog.get(cfg.DATASETS.TEST[0])[:6]
    samples = [mapper(frame) for frame in records]
    assert [len(s.get("reference_images", [])) for s in samples] == [4, 0, 0, 0, 0, 0]
    for frame, image in zip((0, 2, 3, 5), samples[0]["reference_images"], strict=True):
        assert torch.equal(image, pixels(records[frame]["file_name"]))
    assert samples[0]["reference_images"][0] is samples[0]["image"]  # not read twice
    assert "instances" not in samples[0]


def test_a_sliding_window_brings_a_frame_at_a_time(cfg):
    fixed = cfg.clone()
    fixed.MODEL.VID.TEST.REFERENCES, fixed.MODEL.VID.TEST.STRIDE = "fixed", 2
    mapper = VIDDatasetMapper(fixed, False)
    records = DatasetCatalog.get(cfg.DATASETS.TEST[0])[:6]
    counts = [len(mapper(frame).get("reference_images", [])) for frame in records]
    assert counts == [5, 0, 1, 0, 1, 0]


def test_no_references_wanted(cfg):
    none = cfg.clone()
    none.MODEL.VID.TEST.NUM_REFERENCES = 0
    record = DatasetCatalog.get(cfg.DATASETS.TEST[0])[0]
    assert VIDDatasetMapper(none, False)(record)["reference_images"] == []


def test_reference_draws_follow_the_seed(cfg, record):
    mapper = VIDDatasetMapper(cfg, True)
    drawn = {tuple(mapper.training_sampler(3, 6, random.Random(seed))) for seed in range(30)}
    assert drawn == {(a, b) for a in range(3) for b in (4, 5)}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("INPUT.VID.TRAIN.NUM_REFERENCES", 3, "INPUT.VID.TRAIN.NUM_REFERENCES is 3.*even"),
        ("MODEL.VID.TEST.NUM_REFERENCES", -1, "MODEL.VID.TEST.NUM_REFERENCES is -1"),
        ("INPUT.MIN_SIZE_TRAIN_SAMPLING", "range", "supports only 'choice'"),
    ],
)
def test_values_that_cannot_be(cfg, key: str, value: object, message: str):
    wrong = cfg.clone()
    wrong.merge_from_list([key, value])
    with pytest.raises(InputError, match=message):
        VIDDatasetMapper(wrong, True)


class TestImagesThatCannotBeUsed:
    @pytest.fixture
    def moved(self, record, tmp_path) -> dict:
        """The record with a copy of its image that may be spoilt."""
        path = tmp_path / "frame.JPEG"
        path.write_bytes(Path(record["file_name"]).read_bytes())
        return {**record, "file_name": str(path)}

    def spoil(self, cfg, record: dict, message: str) -> None:
        with pytest.raises(InputError, match=message) as error:
            VIDDatasetMapper(cfg, True)(record)
        assert record["file_name"] in str(error.value)
        assert f"frame of video {record['video_id']}" in str(error.value)
        assert "\n" not in str(error.value)

    def test_missing(self, cfg, moved):
        Path(moved["file_name"]).unlink()
        self.spoil(cfg, moved, r"Image .* not found: check the image root")

    def test_truncated(self, cfg, moved):
        path = Path(moved["file_name"])
        path.write_bytes(path.read_bytes()[:1500])
        self.spoil(cfg, moved, "cannot be used.*truncated")

    def test_no_image(self, cfg, moved):
        Path(moved["file_name"]).write_text("not a picture")
        self.spoil(cfg, moved, "cannot be used")

    def test_another_size(self, cfg, moved):
        cv2.imwrite(moved["file_name"], np.zeros((20, 30, 3), np.uint8))
        self.spoil(cfg, moved, r"is 30 x 20 pixels, the annotations say .*: replace it")

    def test_swapped_sides(self, cfg, moved):
        cv2.imwrite(moved["file_name"], np.zeros((moved["width"], moved["height"], 3), np.uint8))
        self.spoil(cfg, moved, r"the sides are swapped, .* EXIF")
