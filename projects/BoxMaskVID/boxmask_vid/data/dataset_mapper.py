"""Mapper from a frame of a data set to a sample: a key frame with its reference frames."""

from __future__ import annotations

import copy
import random

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetMapper
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import BoxMode, Instances
from fvcore.transforms.transform import TransformList

from ..errors import InputError
from ..references import BilateralUniformSampler, ReferencePolicy, build_reference_policy
from ..structures import BoxMasks
from .datasets import video_index
from .datasets.numbered_frames import SWAPPED_SIDES
from .transforms import ResizeToFit
from .video_index import VideoIndex


class VIDDatasetMapper(DatasetMapper):
    """``DatasetMapper`` that adds reference frames, with one augmentation drawn for each clip.

    The key frame keeps Detectron2's keys. ``reference_images`` is a list of (3, H, W) uint8
    tensors: in training always, at test when a frame has references (for the "adaptive" mode the
    first frame of each video). A still image, without ``video_id``, is its own reference: the same
    tensor, as often as a video frame has references.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        video_index: VideoIndex,
        training_sampler: BilateralUniformSampler,
        reference_policy: ReferencePolicy,
        use_box_masks: bool,
        size_divisibility: int,
        first_frames: dict | None = None,
        **kwargs,
    ) -> None:
        """
        Args:
            is_train: training or test.
            video_index: all frames of all videos, keyed by (dataset_name, video_id).
            training_sampler: references of a key frame in training; a still image has as many.
            reference_policy: references to load at test.
            use_box_masks: fill ground-truth boxes as ``gt_masks``.
            size_divisibility: images are padded to a multiple of this, in pixels.
            first_frames: at test, the first frame that is read of each video, if it is not 0.
            kwargs: see ``DatasetMapper``.
        """
        super().__init__(is_train, **kwargs)
        self.video_index = video_index
        self.training_sampler = training_sampler
        self.reference_policy = reference_policy
        self.use_box_masks = use_box_masks
        self.size_divisibility = size_divisibility
        self.first_frames = first_frames or {}

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict:
        names = cfg.DATASETS.TRAIN if is_train else cfg.DATASETS.TEST
        resize = build_resize(cfg, is_train)
        ret = super().from_config(cfg, is_train)
        ret["augmentations"] = [
            resize if isinstance(augmentation, T.ResizeShortestEdge) else augmentation
            for augmentation in ret["augmentations"]
        ]
        return {
            **ret,
            "video_index": video_index(*names),
            "training_sampler": BilateralUniformSampler.from_config(cfg),
            "reference_policy": build_reference_policy(cfg),
            "use_box_masks": cfg.MODEL.BOXMASK.ENABLED,
            "size_divisibility": cfg.INPUT.VID.SIZE_DIVISIBILITY,
        }

    def __call__(self, dataset_dict: dict) -> dict:
        """Read a key frame and its reference frames.

        Args:
            dataset_dict: a frame in Detectron2's format, see ``load_vid_json``. ``sample_seed``, if
                present, determines all randomness.

        Raises:
            InputError: if an image is missing, cannot be read, or differs in size from its video.
        """
        sample = copy.deepcopy(dataset_dict)
        seed = sample.pop("sample_seed", None)
        if seed is not None:
            np.random.seed(seed)  # what Detectron2's augmentations draw from
        augmented = T.AugInput(self._read(sample["file_name"], sample))
        transforms = self.augmentations(augmented)
        sample["image"] = to_tensor(augmented.image)
        references = self._references(sample, transforms, random.Random(seed))
        if references is not None:
            sample["reference_images"] = references
        annotations = sample.pop("annotations", None)
        if self.is_train and annotations is not None:
            sample["instances"] = self._instances(annotations, transforms, sample)
        return sample

    def _references(
        self, sample: dict, transforms: TransformList, rng: random.Random
    ) -> list[torch.Tensor] | None:
        """Reference images of a key frame that is read already; None if it needs none."""
        video = sample.get("dataset_name"), sample.get("video_id")
        if video[1] is None:
            count = self.training_sampler.num_references
            return [sample["image"]] * count if self.is_train else None
        frame_index, length = sample["frame_index"], self.video_index.length(video)
        is_first = frame_index == self.first_frames.get(video, 0)
        frames = (
            self.training_sampler(frame_index, length, rng)
            if self.is_train
            else self.reference_policy.frames_to_load(frame_index, length, is_first=is_first)
        )
        if frames is None:
            return None
        images = {frame_index: sample["image"]}  # frames that repeat are read once
        for frame in frames:
            if frame not in images:
                image = self._read(self.video_index.file_name(video, frame), sample)
                images[frame] = to_tensor(transforms.apply_image(image))
        return [images[frame] for frame in frames]

    def _instances(
        self, annotations: list[dict], transforms: TransformList, sample: dict
    ) -> Instances:
        """Ground truth of the transformed key frame, crowds left out."""
        annotations = [box for box in annotations if not box.get("iscrowd", 0)]
        for annotation in annotations:  # as DatasetMapper does; data sets of still images have them
            if not self.use_instance_mask:
                annotation.pop("segmentation", None)
            if not self.use_keypoint:
                annotation.pop("keypoints", None)
        size = tuple(sample["image"].shape[1:])
        bitmaps = []
        if self.use_box_masks:  # before the boxes are transformed in place
            for annotation in annotations:
                mode = annotation["bbox_mode"]
                corners = BoxMode.convert(annotation["bbox"], mode, BoxMode.XYXY_ABS)
                bitmap = filled_box(corners, sample["height"], sample["width"])
                bitmaps.append(transforms.apply_segmentation(bitmap))
        for annotation in annotations:
            utils.transform_instance_annotations(annotation, transforms, size)
        instances = utils.annotations_to_instances(annotations, size)
        if self.use_box_masks:
            unit = max(self.size_divisibility, 1)
            canvas = tuple(-(-side // unit) * unit for side in size)
            instances.gt_masks = BoxMasks.from_bitmaps(bitmaps, canvas)
        return utils.filter_empty_instances(instances, by_mask=False)

    def _read(self, file_name: str, sample: dict) -> np.ndarray:
        where = ""
        if sample.get("video_id") is not None:
            where = f" (frame of video {sample['video_id']} in {sample['dataset_name']})"
        try:
            image = utils.read_image(file_name, format=self.image_format)
            checked = {**sample, "file_name": file_name}
            utils.check_image_size(checked, image)  # adds a size that the data set does not give
            sample["height"], sample["width"] = checked["height"], checked["width"]
        except FileNotFoundError as error:
            raise InputError(
                f"Image {file_name}{where} not found: check the image root."
            ) from error
        except utils.SizeMismatchError as error:
            is_swapped = image.shape[:2] == (sample["width"], sample["height"])
            remedy = SWAPPED_SIDES if is_swapped else "replace it, or correct its entry"
            raise InputError(
                f"Image {file_name}{where} is {image.shape[1]} x {image.shape[0]} pixels, the "
                f"annotations say {sample['width']} x {sample['height']}: {remedy}."
            ) from error
        except (OSError, SyntaxError) as error:
            raise InputError(
                f"Image {file_name}{where} cannot be used ({error}): replace the file, or "
                "correct its entry in the annotations."
            ) from error
        return image


def build_resize(cfg: CfgNode, is_train: bool) -> ResizeToFit:
    """Build the resizing of ``INPUT.{MIN,MAX}_SIZE_{TRAIN,TEST}``.

    Raises:
        InputError: if sizes are to be drawn from a range.
    """
    if is_train:
        if cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING != "choice":
            raise InputError(
                "INPUT.MIN_SIZE_TRAIN_SAMPLING is "
                f"'{cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING}': BoxMaskVID supports only 'choice'."
            )
        return ResizeToFit(cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN)
    return ResizeToFit((cfg.INPUT.MIN_SIZE_TEST,), cfg.INPUT.MAX_SIZE_TEST)


def filled_box(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mask (height, width) uint8 with ones inside the box ``x1, y1, x2, y2`` in whole pixels."""
    x1, y1, x2, y2 = (max(int(value), 0) for value in box)
    bitmap = np.zeros((height, width), dtype=np.uint8)
    bitmap[y1:y2, x1:x2] = 1
    return bitmap


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Convert (H, W, 3) to (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
