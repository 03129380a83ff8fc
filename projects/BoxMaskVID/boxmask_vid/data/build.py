"""Data loaders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import (
    DatasetFromList,
    MapDataset,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data.build import _train_loader_from_config, trivial_batch_collator
from detectron2.data.samplers import TrainingSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

from ..errors import InputError
from ..references import build_reference_policy, check_count
from .batches import FrameBatchSampler
from .dataset_mapper import VIDDatasetMapper
from .samplers import ResumableSampler, VideoInferenceSampler
from .workers import prepare_workers

FRAMES_AT_ONCE = "MODEL.VID.TEST.FRAMES_AT_ONCE"
LOSS_FRAMES = 500  # of a test set for TEST.LOSS_PERIOD


def build_vid_train_loader(cfg: CfgNode, mapper: VIDDatasetMapper | None = None) -> DataLoader:
    """Build a loader of endless batches of key frames with references.

    Like ``build_detection_train_loader``, with the samplers of ``DATALOADER.SAMPLER_TRAIN`` (mixing
    ratios of data sets: "WeightedTrainingSampler" with ``DATASETS.TRAIN_REPEAT_FACTOR``). With
    ``SEED`` >= 0 the n-th batch is always the same; ``loader.dataset.sampler.first_batch`` is
    the batch to start with.

    Raises:
        InputError: if there is no key frame with boxes, no such sampler, or a mixing ratio is not
            valid.
    """
    try:
        records = get_detection_dataset_dicts(
            cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
        )
    except AssertionError as error:
        raise InputError(
            f"No frame to train on in {', '.join(cfg.DATASETS.TRAIN)} ({error}): give key frames "
            "with boxes of a pixel or more that are neither iscrowd nor ignore."
        ) from error
    batch_size = per_rank_batch_size(cfg)
    # still images may be without a size
    wide = np.array([record.get("width", 0) > record.get("height", 0) for record in records])
    sampler = ResumableSampler(
        _base_sampler(cfg, records),
        len(records),
        batch_size=batch_size,
        groups=wide if cfg.DATALOADER.ASPECT_RATIO_GROUPING else None,
    )
    loader = build_detection_train_loader(
        SeededDataset(records, cfg.SEED),
        mapper=mapper or VIDDatasetMapper(cfg, True),
        sampler=sampler,
        total_batch_size=cfg.SOLVER.IMS_PER_BATCH,
        aspect_ratio_grouping=False,  # the sampler groups
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        seed=max(cfg.SEED, 0),  # a generator of its own: it takes no number from the training's
    )
    return prepare_workers(loader)


def build_vid_test_loader(
    cfg: CfgNode,
    dataset_name: str,
    mapper: VIDDatasetMapper | None = None,
    *,
    finished: Collection[int] = (),
) -> DataLoader:
    """Build a loader of whole videos, frames in order.

    A batch are at most ``MODEL.VID.TEST.FRAMES_AT_ONCE`` frames of one video (or still images), of
    one size.

    Args:
        cfg: the config.
        dataset_name: a registered data set.
        mapper: default :class:`VIDDatasetMapper`.
        finished: image ids; videos of which all frames are among them are left out.

    Raises:
        InputError: if the policy ``MODEL.VID.TEST.REFERENCES`` needs every frame and frames of a
            video are left out; if ``FRAMES_AT_ONCE`` is not 1 or more.
    """
    at_once = check_count(FRAMES_AT_ONCE, cfg.MODEL.VID.TEST.FRAMES_AT_ONCE, least=1)
    records = get_detection_dataset_dicts(dataset_name, filter_empty=False)
    first_frames = _first_frames(records)
    if mapper is None:
        cfg = cfg.clone()
        cfg.defrost()
        cfg.DATASETS.TEST = (dataset_name,)  # the only videos that are indexed
        mapper = VIDDatasetMapper(cfg, False, first_frames=first_frames)
    if build_reference_policy(cfg).needs_every_frame:
        _check_complete(records, mapper, dataset_name, cfg.MODEL.VID.TEST.REFERENCES)
    sampler = VideoInferenceSampler(
        [record.get("video_id") for record in records],
        finished=[record["image_id"] in finished for record in records],
    )
    loader: DataLoader = DataLoader(  # Detectron2's takes no sampler of batches
        MapDataset(DatasetFromList(records, copy=False), mapper),
        batch_sampler=FrameBatchSampler(sampler, at_once, records),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        collate_fn=trivial_batch_collator,
    )
    return prepare_workers(loader)


def build_vid_loss_loader(cfg: CfgNode, dataset_name: str) -> DataLoader:
    """Build a loader of samples of a test set as a training has them, but always the same.

    At most ``LOSS_FRAMES`` frames with boxes, spread evenly over the data set, are divided among
    the processes; a batch is one of them, of the size of the test, and not augmented.

    Raises:
        InputError: if no frame has a box.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATASETS.TRAIN = (dataset_name,)
    cfg.INPUT.RANDOM_FLIP, cfg.INPUT.CROP.ENABLED = "none", False
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (
        (cfg.INPUT.MIN_SIZE_TEST,),
        cfg.INPUT.MAX_SIZE_TEST,
    )
    try:
        records = get_detection_dataset_dicts(dataset_name, filter_empty=True)
    except AssertionError as error:
        raise InputError(
            f"'{dataset_name}' has no frame with a box to compute a loss on: use TEST.LOSS_PERIOD "
            "0."
        ) from error
    rows = np.linspace(0, len(records) - 1, min(len(records), LOSS_FRAMES)).astype(int)
    mine = [
        {**records[row], "sample_seed": int(row)}
        for row in rows[comm.get_rank() :: comm.get_world_size()]
    ]
    loader = build_detection_test_loader(
        DatasetFromList(mine, copy=False, serialize=False),
        mapper=VIDDatasetMapper(cfg, True),
        sampler=SequentialSampler(mine),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
    )
    return prepare_workers(loader)


def per_rank_batch_size(cfg: CfgNode) -> int:
    """Number of key frames in a step of one process.

    Raises:
        InputError: if the batch cannot be divided among the processes.
    """
    ranks = comm.get_world_size()
    if cfg.SOLVER.IMS_PER_BATCH % ranks:
        raise InputError(
            f"SOLVER.IMS_PER_BATCH is {cfg.SOLVER.IMS_PER_BATCH}: with {ranks} processes it must "
            f"be a multiple of {ranks}."
        )
    return cfg.SOLVER.IMS_PER_BATCH // ranks


class SeededDataset(Dataset):
    """Records that carry the seed of their sample; a negative seed of the run gives none.

    Indexed with what :class:`ResumableSampler` yields, position and item in one number.
    """

    def __init__(self, records: list[dict], seed: int) -> None:
        self._records = DatasetFromList(records, copy=False)
        self._seed = seed

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, position_and_item: int) -> dict:
        position, item = divmod(position_and_item, len(self._records))
        record = self._records[item]
        if self._seed >= 0:
            words = np.random.SeedSequence([self._seed, position]).generate_state(1)
            record = {**record, "sample_seed": int(words[0])}
        return record


def _base_sampler(cfg: CfgNode, records: list[dict]) -> Sampler:
    for name, factor in cfg.DATASETS.TRAIN_REPEAT_FACTOR:
        if name not in cfg.DATASETS.TRAIN or not factor > 0:
            raise InputError(
                f"DATASETS.TRAIN_REPEAT_FACTOR has ['{name}', {factor}]: it takes names of "
                f"DATASETS.TRAIN ({', '.join(cfg.DATASETS.TRAIN)}) and factors above 0."
            )
    if cfg.DATALOADER.SAMPLER_TRAIN == "TrainingSampler":
        return TrainingSampler(len(records), seed=cfg.SEED if cfg.SEED >= 0 else None)
    try:
        return _train_loader_from_config(cfg, mapper=dict, dataset=records)["sampler"]
    except ValueError as error:
        raise InputError(
            f"The order of the frames cannot be made ({error}): correct DATALOADER.SAMPLER_TRAIN "
            f"({cfg.DATALOADER.SAMPLER_TRAIN}) or the other keys that it reads."
        ) from error


def _first_frames(records: list[dict]) -> dict:
    first: dict[tuple, int] = {}
    for record in records:
        if record.get("video_id") is not None:
            video = record.get("dataset_name"), record["video_id"]
            first[video] = min(first.get(video, record["frame_index"]), record["frame_index"])
    return first


def _check_complete(
    records: list[dict], mapper: VIDDatasetMapper, dataset_name: str, mode: str
) -> None:
    counts = Counter((r.get("dataset_name"), r["video_id"]) for r in records if "video_id" in r)
    for video, count in counts.items():
        if count != mapper.video_index.length(video):
            raise InputError(
                f"'{dataset_name}' has only {count} of {mapper.video_index.length(video)} frames "
                f"of video {video[1]}, and MODEL.VID.TEST.REFERENCES '{mode}' needs all of them: "
                "register the data set with key_frames_only=False, or use 'adaptive'."
            )
