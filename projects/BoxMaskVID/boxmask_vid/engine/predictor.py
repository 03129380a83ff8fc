"""Detection on images and videos in scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultPredictor

from ..checkpoint import VIDCheckpointer
from ..data.dataset_mapper import build_resize, build_test_sampler, to_tensor
from ..errors import BadInput
from ..video import open_frames


class VideoPredictor(DefaultPredictor):
    """``DefaultPredictor`` for videos.

    ``predictor(image)`` detects on a single image, as ``DefaultPredictor`` does, but resizes it
    with OpenCV as in training.
    """

    def __init__(self, cfg: CfgNode) -> None:
        """
        Raises:
            BadInput: if there are no weights, or they are not those of the model.
        """
        if not cfg.MODEL.WEIGHTS:
            raise BadInput("There are no weights to detect with: set MODEL.WEIGHTS.")
        untrained = cfg.clone()
        untrained.defrost()
        untrained.MODEL.WEIGHTS = ""
        super().__init__(untrained)
        VIDCheckpointer(self.model, require_all=True).load(cfg.MODEL.WEIGHTS)
        self.aug = build_resize(cfg, is_train=False)
        self._references_to_load = build_test_sampler(cfg)

    def predict_video(self, frames: str | Path | Sequence[np.ndarray]) -> Iterator[dict]:
        """Detect on every frame of a video, with references from all over it.

        Args:
            frames: BGR arrays (H, W, 3), a folder of images, or a video file. A file is decoded
                three times: to count its frames, for the references, and to detect.

        Yields:
            for each frame in order ``frame`` (its number), ``image`` (the frame) and
            ``instances``.

        Raises:
            FileNotFoundError: if there is nothing at the path.
            BadInput: if what is there cannot be read.
        """
        source = open_frames(frames)
        video = object()  # a name for the memory that no other video has
        for index, frame in enumerate(source):
            sample = {**self._sample(frame), "video_id": video, "frame_index": index}
            references = self._references_to_load(index, len(source), index == 0)
            if references is not None:
                picked = source.pick(references)
                sample["reference_images"] = [self._sample(each)["image"] for each in picked]
            with torch.no_grad():
                instances = self.model([sample])[0]["instances"]
            yield {"frame": index, "image": frame, "instances": instances}

    def _sample(self, frame: np.ndarray) -> dict:
        height, width = frame.shape[:2]
        image = self.aug.get_transform(frame).apply_image(frame)
        if self.input_format == "RGB":
            image = image[:, :, ::-1]
        return {"image": to_tensor(image), "height": height, "width": width}
