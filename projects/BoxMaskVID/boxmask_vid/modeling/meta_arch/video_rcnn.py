"""R-CNN for video: key frames are detected with the help of reference frames.

B key frames in a batch, T reference frames of a key frame.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.structures import ImageList, Instances
from detectron2.utils.events import get_event_storage

from ...precision import autocast, check_precision
from ...references import check_count
from ..encoded_frame import EncodedFrame, References, WithProjections
from ..fast import accelerate
from ..norms import channels_explained, check_norms
from ..reference_encoder import ReferenceEncoder
from ..reference_memory import ReferenceMemory


@META_ARCH_REGISTRY.register()
class VideoRCNN(GeneralizedRCNN):
    """``GeneralizedRCNN`` with reference frames.

    A sample is Detectron2's own for the key frame, with three more keys, all optional:

    - ``reference_images``: list of T images (3, H, W). Images that are the same tensor object as
      another one of the batch are encoded once.
    - ``video_id``, ``frame_index``: at test, the video whose references are remembered; see
      :class:`~boxmask_vid.modeling.reference_memory.ReferenceMemory`.

    Without references (and, at test, without ``video_id``) the key frame is its own reference.
    """

    @configurable
    def __init__(
        self,
        *,
        reference_memory: ReferenceMemory,
        reference_encoder: ReferenceEncoder,
        accelerated_on: str | None,
        test_precision: str = "full",
        **kwargs,
    ) -> None:
        """
        Args:
            reference_memory: what is remembered of the videos that are read.
            reference_encoder: the form in which reference frames are remembered.
            accelerated_on: device that the modules are made fast for; None for the formulation of
                the papers.
            test_precision: of the network at test, one of ``boxmask_vid.precision.PRECISIONS``.
            kwargs: see ``GeneralizedRCNN``.
        """
        super().__init__(**kwargs)
        self.reference_memory = reference_memory
        self.reference_encoder = reference_encoder
        self.test_precision = test_precision
        if accelerated_on is not None:
            accelerate(self, accelerated_on)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        precision = cfg.MODEL.VID.TEST.PRECISION
        check_precision(precision, cfg.MODEL.DEVICE)
        for key, least in (("REFERENCES_AT_ONCE", 0), ("FRAMES_AT_ONCE", 1)):
            check_count(f"MODEL.VID.TEST.{key}", cfg.MODEL.VID.TEST[key], least=least)
        check_norms(cfg)
        with channels_explained(cfg):
            parts = super().from_config(cfg)
        return {
            **parts,
            "reference_memory": ReferenceMemory.from_config(cfg),
            "reference_encoder": ReferenceEncoder(cfg.MODEL.VID.TEST.REFERENCES_AT_ONCE),
            "accelerated_on": cfg.MODEL.DEVICE if cfg.MODEL.VID.ACCELERATE else None,
            "test_precision": precision,
        }

    def train(self, mode: bool = True) -> VideoRCNN:
        if mode:
            self.reference_memory.retain([])  # the weights that made what it holds will change
        return super().train(mode)

    def forward(self, batched_inputs: list[dict]) -> dict[str, torch.Tensor] | list[dict]:
        """
        Args:
            batched_inputs: B samples (see the class), in training with ``instances``.

        Returns:
            a dict of losses in training, else B dicts with ``instances``.
        """
        if not self.training:
            return self.inference(batched_inputs)
        frames, reference_rows = self._frames(batched_inputs)
        images = self._images(frames)
        features = self.backbone(images.tensor)
        truth = [sample["instances"].to(self.device) for sample in batched_inputs]
        count = len(batched_inputs)
        key_images, key_features = _select(images, features, range(count))
        proposals, losses = self.proposal_generator(key_images, key_features, truth)

        keys = references = None
        if self.roi_heads.uses_references:
            own = [rows or [row] for row, rows in enumerate(reference_rows)]
            encoded = self._encode_for_training(images, features, own)
            keys = encoded[:count]
            references = [_references(encoded, rows) for rows in own]
        _, detector_losses = self.roi_heads(
            key_images, key_features, proposals, truth, keys=keys, references=references
        )
        if self.vis_period > 0 and get_event_storage().iter % self.vis_period == 0:
            self.visualize_training(batched_inputs, proposals)
        return {**losses, **detector_losses}

    def inference(
        self,
        batched_inputs: list[dict],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list[dict] | list[Instances]:
        """Detections of B key frames; see ``GeneralizedRCNN.inference``.

        Raises:
            KeyError: if a sample has a ``video_id`` whose references are not known.
        """
        assert not self.training
        with autocast(self.device, self.test_precision):
            results, image_sizes = self._detect(batched_inputs, detected_instances)
        if do_postprocess:
            return self._postprocess(results, batched_inputs, image_sizes)
        return results

    def _detect(
        self, batched_inputs: list[dict], detected_instances: list[Instances] | None
    ) -> tuple[list[Instances], list[tuple[int, int]]]:
        """Detections of B key frames in pixels of their images, and the sizes of these."""
        frames, reference_rows = self._frames(batched_inputs)
        count = len(batched_inputs)
        uses_references = self.roi_heads.uses_references and detected_instances is None
        new_references: list[WithProjections] = []
        if uses_references:  # before the key frames, whose maps would be kept meanwhile
            new_references = self.reference_encoder.read(
                range(count, len(frames)),
                functools.partial(self._encode_references, frames),
                self.device,
            )
        key_images = self._images(frames, range(count))
        key_features = self.backbone(key_images.tensor)
        if detected_instances is not None:
            given = [instances.to(self.device) for instances in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(key_features, given)
        else:
            proposals, _ = self.proposal_generator(key_images, key_features)
            keys = references = None
            if uses_references:
                keys, own = self.reference_encoder.encode_keys(
                    self, key_images, key_features, proposals
                )
                references = self._remembered_references(
                    batched_inputs, [*own, *new_references], reference_rows
                )
            results, _ = self.roi_heads(
                key_images, key_features, proposals, keys=keys, references=references
            )
        return results, key_images.image_sizes

    def _encode_references(
        self, frames: list[torch.Tensor], rows: range
    ) -> Sequence[WithProjections]:
        images = self._images(frames, rows)
        return self.reference_encoder.keep(self, images, self.backbone(images.tensor))

    def _frames(self, batched_inputs: list[dict]) -> tuple[list[torch.Tensor], list[list[int]]]:
        """All different images, the B key frames first, and the rows of each one's references.

        A single-frame detector leaves references out.
        """
        frames = [sample["image"] for sample in batched_inputs]
        row_of = {id(image): row for row, image in enumerate(frames)}
        reference_rows = []
        looks_at_references = self.roi_heads.uses_references
        for sample in batched_inputs:
            rows = []
            for image in (sample.get("reference_images") or ()) if looks_at_references else ():
                if id(image) not in row_of:
                    row_of[id(image)] = len(frames)
                    frames.append(image)
                rows.append(row_of[id(image)])
            reference_rows.append(rows)
        return frames, reference_rows

    def _images(self, frames: list[torch.Tensor], rows: range | None = None) -> ImageList:
        """Some of the frames or all, normalised and padded to a size that is enough for all."""
        some = frames if rows is None else [frames[row] for row in rows]
        images = self.preprocess_image([{"image": image} for image in some])
        divisor = max(self.backbone.size_divisibility, 1)
        height, width = (
            -(-max(frame.shape[axis] for frame in frames) // divisor) * divisor for axis in (1, 2)
        )
        missing = 0, width - images.tensor.shape[3], 0, height - images.tensor.shape[2]
        if any(missing):
            images = ImageList(F.pad(images.tensor, missing), images.image_sizes)
        return images

    def _encode_for_training(
        self, images: ImageList, features: dict[str, torch.Tensor], rows: list[list[int]]
    ) -> list[EncodedFrame]:
        """All frames, with gradient into features but not into the proposals of references.

        Args:
            rows: of the references of each key frame.
        """
        used = sorted({row for key_rows in rows for row in key_rows})
        proposals: list[Instances | None] = [None] * len(images)
        found = self.proposal_generator.propose(*_select(images, features, used))
        for row, instances in zip(used, found, strict=True):
            proposals[row] = instances
        return self.roi_heads.encode(features, proposals)

    def _remembered_references(
        self,
        batched_inputs: list[dict],
        frames: list[WithProjections],
        reference_rows: list[list[int]],
    ) -> list[References]:
        """References of each key frame: those that came with it and those of its video.

        Args:
            frames: all frames as references, the key frames first.
            reference_rows: those of them that came with each key frame.
        """
        references = []
        for row, sample in enumerate(batched_inputs):
            new = [frames[reference] for reference in reference_rows[row]]
            remembered = self.reference_memory.references_for(
                frames[row],
                video_id=sample.get("video_id"),
                frame_index=sample.get("frame_index"),
                new_references=new if "reference_images" in sample else None,
            )
            references.append(self.reference_encoder.join(self, remembered))
        read = {sample["video_id"] for sample in batched_inputs if "video_id" in sample}
        if read:  # a still image in between leaves the videos alone
            self.reference_memory.retain(read)
        return references


def _references(encoded: list[EncodedFrame], rows: list[int]) -> References:
    return References.cat([encoded[row].reference for row in rows])


def _select(
    images: ImageList, features: dict[str, torch.Tensor], rows: Sequence[int]
) -> tuple[ImageList, dict[str, torch.Tensor]]:
    """Some of the frames; those that follow each other without a copy."""
    sizes = [images.image_sizes[row] for row in rows]
    at: slice | list[int] = list(rows)
    if rows and list(rows) == list(range(rows[0], rows[-1] + 1)):
        at = slice(rows[0], rows[-1] + 1)
    return (
        ImageList(images.tensor[at], sizes),
        {name: maps[at] for name, maps in features.items()},
    )
