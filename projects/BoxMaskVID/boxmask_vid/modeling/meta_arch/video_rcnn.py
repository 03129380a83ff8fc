"""R-CNN for video: key frames are detected with the help of reference frames.

B key frames in a batch, T reference frames of a key frame.
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.structures import ImageList, Instances
from detectron2.utils.events import get_event_storage

from ..reference_memory import ReferenceMemory, References


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
    def __init__(self, *, reference_memory: ReferenceMemory, **kwargs) -> None:
        super().__init__(**kwargs)
        self.reference_memory = reference_memory

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        return {
            **super().from_config(cfg),
            "reference_memory": ReferenceMemory(cfg.MODEL.VID.TEST.REFERENCES),
        }

    def train(self, mode: bool = True) -> VideoRCNN:
        if mode:
            self.reference_memory.keep_only([])  # the weights that made what it holds will change
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
        images, features, reference_rows = self._encode(batched_inputs)
        truth = [sample["instances"].to(self.device) for sample in batched_inputs]
        keys = slice(len(batched_inputs))
        key_images, key_features = _select(images, features, keys)
        proposals, losses = self.proposal_generator(key_images, key_features, truth)

        own = [rows or [row] for row, rows in enumerate(reference_rows)]
        references = self._training_references(images, features, own)
        _, detector_losses = self.roi_heads(
            key_images, key_features, proposals, truth, references=references
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
        images, features, reference_rows = self._encode(batched_inputs)
        key_images, key_features = _select(images, features, slice(len(batched_inputs)))
        if detected_instances is not None:
            given = [each.to(self.device) for each in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(key_features, given)
        else:
            proposals, _ = self.proposal_generator(images, features)
            references = self._remembered_references(
                batched_inputs, features, proposals, reference_rows
            )
            results, _ = self.roi_heads(
                key_images, key_features, proposals[: len(batched_inputs)], references=references
            )
        if do_postprocess:
            return self._postprocess(results, batched_inputs, key_images.image_sizes)
        return results

    def _encode(
        self, batched_inputs: list[dict]
    ) -> tuple[ImageList, dict[str, torch.Tensor], list[list[int]]]:
        """One backbone pass over all different images, the B key frames first.

        Returns:
            images and maps of all frames, and for each key frame the rows of its references.
        """
        frames = [sample["image"] for sample in batched_inputs]
        row_of = {id(image): row for row, image in enumerate(frames)}
        reference_rows = []
        for sample in batched_inputs:
            rows = []
            for image in sample.get("reference_images") or []:
                if id(image) not in row_of:
                    row_of[id(image)] = len(frames)
                    frames.append(image)
                rows.append(row_of[id(image)])
            reference_rows.append(rows)
        images = self.preprocess_image([{"image": image} for image in frames])
        return images, self.backbone(images.tensor), reference_rows

    def _training_references(
        self, images: ImageList, features: dict[str, torch.Tensor], rows: list[list[int]]
    ) -> list[References] | None:
        """References of each key frame, with gradient into features but not into proposals."""
        if not self.roi_heads.uses_references:
            return None
        used = sorted({row for each in rows for row in each})
        used_images, used_features = _select(images, features, used)
        proposals = self.proposal_generator.propose(used_images, used_features)
        encoded = self._encode_references(used_features, proposals)
        by_row = dict(zip(used, encoded, strict=True))
        return [References.cat([by_row[row] for row in each]) for each in rows]

    def _remembered_references(
        self,
        batched_inputs: list[dict],
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        reference_rows: list[list[int]],
    ) -> list[References] | None:
        if not self.roi_heads.uses_references:
            return None
        encoded = self._encode_references(features, proposals)
        references = []
        for row, sample in enumerate(batched_inputs):
            arrived = [encoded[each] for each in reference_rows[row]]
            references.append(
                self.reference_memory.recall(
                    encoded[row],
                    video_id=sample.get("video_id"),
                    frame_index=sample.get("frame_index"),
                    arrived=arrived if "reference_images" in sample else None,
                )
            )
        read = {sample["video_id"] for sample in batched_inputs if "video_id" in sample}
        if read:  # a still image in between leaves the videos alone
            self.reference_memory.keep_only(read)
        return references

    def _encode_references(
        self, features: dict[str, torch.Tensor], proposals: list[Instances]
    ) -> list[References]:
        (shape,) = self.backbone.output_shape().values()
        return self.roi_heads.encode_references(features, proposals, shape.stride)


def _select(
    images: ImageList, features: dict[str, torch.Tensor], rows: slice | list[int]
) -> tuple[ImageList, dict[str, torch.Tensor]]:
    """Some of the frames."""
    if isinstance(rows, slice):
        sizes = images.image_sizes[rows]
    else:
        sizes = [images.image_sizes[row] for row in rows]
    return (
        ImageList(images.tensor[rows], sizes),
        {name: maps[rows] for name, maps in features.items()},
    )
