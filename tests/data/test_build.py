from itertools import islice

import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog

from boxmask_vid.data import build_vid_test_loader, build_vid_train_loader, register_vid_instances
from boxmask_vid.errors import InputError
from support.small import small_cfg


@pytest.fixture(scope="module")
def cfg(synthetic_datasets):
    train, val = synthetic_datasets
    names = ("DATASETS.TRAIN", f"('{train}',)", "DATASETS.TEST", f"('{val}',)")
    return small_cfg("boxmask", *names, "SOLVER.IMS_PER_BATCH", 2)


def fingerprint(batch: list[dict]) -> list[tuple]:
    return [
        (
            sample["image_id"],
            sample["image"].sum().item(),
            [image.sum().item() for image in sample["reference_images"]],
            sample["instances"].gt_boxes.tensor.tolist(),
        )
        for sample in batch
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_nth_batch_is_always_the_same(cfg, workers: int):
    cfg = cfg.clone()
    cfg.DATALOADER.NUM_WORKERS = workers
    first, second, resumed = (build_vid_train_loader(cfg) for _ in range(3))
    whole = [fingerprint(batch) for batch in islice(first, 6)]
    assert whole == [fingerprint(batch) for batch in islice(second, 6)]
    resumed.dataset.sampler.first_batch = 4
    assert whole[4:] == [fingerprint(batch) for batch in islice(resumed, 2)]


def test_number_of_workers_does_not_change_the_data(cfg):
    with_workers = cfg.clone()
    with_workers.DATALOADER.NUM_WORKERS = 2
    a, b = (
        [fingerprint(x) for x in islice(build_vid_train_loader(c), 5)] for c in (cfg, with_workers)
    )
    assert a == b


def test_another_seed_gives_other_data(cfg):
    other = cfg.clone()
    other.SEED = 8
    a, b = ([fingerprint(x) for x in islice(build_vid_train_loader(c), 4)] for c in (cfg, other))
    assert a != b


def test_random_data_without_a_seed(cfg):
    free = cfg.clone()
    free.SEED = -1
    (batch,) = islice(build_vid_train_loader(free), 1)
    assert len(batch) == 2


def test_stills_train_beside_videos(cfg, synthetic_datasets):
    train = synthetic_datasets[0]
    records = DatasetCatalog.get(train)[:4]
    stills = [
        {key: r[key] for key in ("file_name", "image_id", "annotations")}  # sizes are not needed
        for r in records
    ]
    DatasetCatalog.register("stills_beside", lambda: stills)
    MetadataCatalog.get("stills_beside").thing_classes = MetadataCatalog.get(train).thing_classes
    mixed = cfg.clone()
    mixed.DATASETS.TRAIN = (train, "stills_beside")
    mixed.DATALOADER.SAMPLER_TRAIN = "WeightedTrainingSampler"
    mixed.DATASETS.TRAIN_REPEAT_FACTOR = [["stills_beside", 9.0]]
    samples = [sample for batch in islice(build_vid_train_loader(mixed), 20) for sample in batch]
    of_stills = [sample for sample in samples if "video_id" not in sample]
    assert 10 < len(of_stills) < 30  # 4 stills nine times against 36 frames
    assert all(image is s["image"] for s in of_stills for image in s["reference_images"])


def test_test_loader_reads_videos_in_order(cfg):
    samples = [sample for (sample,) in build_vid_test_loader(cfg, cfg.DATASETS.TEST[0])]
    places = [(sample["video_id"], sample["frame_index"]) for sample in samples]
    assert places == sorted(places)
    assert len(places) == 12
    assert [s["frame_index"] for s in samples if "reference_images" in s] == [0, 0]


def test_key_frames_alone_can_be_evaluated_with_adaptive_references(cfg, synthetic_root):
    tree = synthetic_root / "synthetic_vid"
    json_file = tree / "coco_vid/imagenet_vid_train.json"
    content = json_file.read_text().replace('"frame_id": 0, ', '"frame_id": 0, "skip": 1, ')
    changed = tree / "coco_vid/without_first.json"
    changed.write_text(
        content.replace('"is_vid_train_frame": true', '"is_vid_train_frame": false', 1)
    )
    register_vid_instances("without_first", {}, str(changed), str(tree / "Data/VID"))
    samples = [sample for (sample,) in build_vid_test_loader(cfg, "without_first")]
    firsts = [sample["frame_index"] for sample in samples if "reference_images" in sample]
    assert firsts == [1, 0, 0, 0, 0, 0]
    fixed = cfg.clone()
    fixed.MODEL.VID.TEST.REFERENCES = "fixed"
    with pytest.raises(InputError, match=r"only 5 of 6 frames of video .*key_frames_only=False"):
        build_vid_test_loader(fixed, "without_first")


def test_batch_that_cannot_be_divided(cfg, monkeypatch):
    monkeypatch.setattr("detectron2.utils.comm.get_world_size", lambda: 3)
    with pytest.raises(InputError, match=r"SOLVER\.IMS_PER_BATCH is 2: with 3 processes"):
        build_vid_train_loader(cfg)


def test_images_are_uint8_and_share_one_size_in_a_clip(cfg):
    for batch in islice(build_vid_train_loader(cfg), 3):
        for sample in batch:
            images = [sample["image"], *sample["reference_images"]]
            assert {image.dtype for image in images} == {torch.uint8}
            assert len({image.shape for image in images}) == 1
