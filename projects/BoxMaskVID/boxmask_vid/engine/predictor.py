"""Detection on images and videos in scripts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultPredictor

from ..checkpoint import VIDCheckpointer
from ..data import in_batches
from ..data.dataset_mapper import build_resize, to_tensor
from ..errors import InputError
from ..imports import quiet
from ..modeling import ReferenceMemory
from ..references import build_reference_policy
from ..video import Frame, FrameSource, open_frames
from ..video.source import Frames
from .setup import build_cfg


@dataclass
class KeyFrame:
    """A frame to detect in.

    Attributes:
        frame: its number, time and image.
        references: images of new references that come with it; None for none.
    """

    frame: Frame
    references: Sequence[np.ndarray] | None

    @property
    def shapes(self) -> frozenset[tuple[int, ...]]:
        """Of all its images: they are padded to the largest."""
        return frozenset(image.shape for image in (self.frame.image, *(self.references or ())))


class VideoPredictor(DefaultPredictor):
    """``DefaultPredictor`` for videos.

    ``predictor(image)`` detects on a single image, as ``DefaultPredictor`` does, but resizes it
    with OpenCV as in training. Several videos may be read in turns, in one thread: each has a
    memory of its own, which ends with its iterator. Raises InputError if there are no weights, or
    they are not those of the model.
    """

    def __init__(self, cfg: CfgNode) -> None:
        if not cfg.MODEL.WEIGHTS:
            raise InputError("There are no weights to detect with: set MODEL.WEIGHTS.")
        untrained = cfg.clone()
        untrained.defrost()
        untrained.MODEL.WEIGHTS = ""
        super().__init__(untrained)
        VIDCheckpointer(self.model, require_all=True).load(cfg.MODEL.WEIGHTS)
        self.aug = build_resize(cfg, is_train=False)
        self._policy = build_reference_policy(cfg)

    def __call__(self, original_image: np.ndarray) -> dict:
        with quiet():
            return super().__call__(original_image)

    @classmethod
    def from_name(cls, name: str, opts: Sequence[object] = ()) -> VideoPredictor:
        """Predictor of a published model, whose weights are downloaded when they are first used.

        Args:
            name: one of ``boxmask_vid.model_zoo.names()``, e.g. "selsa_troi_R_50".
            opts: keys and values of the config in turn.

        Raises:
            InputError: if there is no such model, or its weights cannot be fetched.
        """
        return cls(build_cfg(None, opts, name))

    def predict_video(self, frames: Frames, *, start: int = 0) -> Iterator[dict]:
        """Detect on every frame of a video, with references from all over it.

        Args:
            frames: what can be read more than once, see :func:`~boxmask_vid.video.open_frames`: a
                sequence of BGR arrays (H, W, 3) or of image files, a folder or glob of images, or a
                video file.
            start: number of the first frame to detect in; above 0 for "adaptive" references only.

        Yields:
            for each frame in order ``frame`` (its number), ``time`` (in seconds from the first),
            ``image`` and ``instances``. Frames that cannot be decoded are left out.

        Raises:
            FileNotFoundError: if there is nothing at the path.
            InputError: if a part of it cannot be read; all other frames are yielded first.
        """
        source = open_frames(frames)
        length = source.length
        if length is None:
            raise InputError(
                "predict_video takes references from the whole video, and these frames can be read "
                "only once: use predict_stream, or pass a list, a file or a folder."
            )
        if start and self._policy.needs_every_frame:
            raise InputError(
                f"predict_video cannot start at frame {start} with MODEL.VID.TEST.REFERENCES "
                f"'{self.cfg.MODEL.VID.TEST.REFERENCES}', which depends on the frames before it: "
                "start at 0."
            )
        memory = ReferenceMemory.from_config(self.cfg)
        yield from self._detect(self._keys_of_video(source, start, length), memory)

    def _keys_of_video(self, source: FrameSource, start: int, length: int) -> Iterator[KeyFrame]:
        is_first = True
        for frame in source.frames():
            if frame.number < start:
                continue
            wanted = self._policy.frames_to_load(frame.number, length, is_first=is_first)
            yield KeyFrame(frame, None if wanted is None else source.pick(wanted))
            is_first = False

    def predict_stream(
        self, frames: Frames, *, lookahead: int | None = None, policy: str | None = None
    ) -> Iterator[dict]:
        """Detect on frames as they come, with references from what has come before.

        Memory is bounded by ``MODEL.VID.TEST.NUM_REFERENCES``, the number of past frames that are
        remembered, by ``lookahead``, and by ``MODEL.VID.TEST.FRAMES_AT_ONCE``, the number of frames
        that have come before detections do.

        Args:
            frames: anything that :func:`~boxmask_vid.video.open_frames` takes: also an iterable of
                BGR arrays, a camera or a live stream.
            lookahead: future frames that serve as references, too; detections come that many
                frames late. Default ``MODEL.VID.TEST.ONLINE.LOOKAHEAD``.
            policy: past frames that are remembered, "reservoir" (a uniform sample of all of them)
                or "sliding" (the newest, every ``MODEL.VID.TEST.STRIDE``-th). Default
                ``MODEL.VID.TEST.ONLINE.POLICY``.

        Yields:
            as :meth:`predict_video`.

        Raises:
            FileNotFoundError, InputError: as :meth:`predict_video`; if ``policy`` is unknown or
                ``lookahead`` negative.
            Exception: what the source raises, after all frames before it are yielded.
        """
        cfg = self.cfg.clone()
        cfg.defrost()
        test = cfg.MODEL.VID.TEST
        test.REFERENCES = "online"
        test.ONLINE.LOOKAHEAD = test.ONLINE.LOOKAHEAD if lookahead is None else lookahead
        test.ONLINE.POLICY = test.ONLINE.POLICY if policy is None else policy
        memory = ReferenceMemory.from_config(cfg)
        keys = self._keys_of_stream(open_frames(frames), test.ONLINE.LOOKAHEAD)
        return self._detect(keys, memory)

    def _keys_of_stream(self, source: FrameSource, lookahead: int) -> Iterator[KeyFrame]:
        waiting: deque[Frame] = deque()
        new: list[np.ndarray] = []  # frames that the memory does not know yet
        is_first, read = True, source.frames()
        failure: Exception | None = None
        while True:
            while failure is None and len(waiting) <= lookahead:
                try:
                    waiting.append(next(read))
                except Exception as error:  # StopIteration among them: kept until all is yielded
                    failure = error
                else:
                    if not is_first or len(waiting) > 1:
                        new.append(waiting[-1].image)
            if not waiting:
                break
            references, new = new if lookahead else [], []
            yield KeyFrame(waiting.popleft(), references)
            is_first = False
        if failure is not None and not isinstance(failure, StopIteration):
            raise failure

    def _detect(self, keys: Iterable[KeyFrame], memory: ReferenceMemory) -> Iterator[dict]:
        """Detections in frames of the only video that a memory knows."""
        at_once = self.cfg.MODEL.VID.TEST.FRAMES_AT_ONCE
        for batch in in_batches(keys, at_once, lambda key: key.shapes):
            images: dict[int, torch.Tensor] = {}  # one that repeats is resized and encoded once
            samples = [self._sample_with_references(key, images) for key in batch]
            self.model.reference_memory = memory
            with torch.no_grad(), quiet():
                outputs = self.model(samples)
            del images, samples
            for key, output in zip(batch, outputs, strict=True):
                number, time, image = key.frame
                instances = output["instances"]
                yield {"frame": number, "time": time, "image": image, "instances": instances}

    def _sample_with_references(self, key: KeyFrame, images: dict[int, torch.Tensor]) -> dict:
        """A sample of the only video that a memory knows.

        Args:
            key: the key frame.
            images: resized frames by the ``id`` of the frame; those of this sample are added.
        """
        height, width = key.frame.image.shape[:2]
        for frame in (key.frame.image, *(key.references or ())):
            if id(frame) not in images:
                images[id(frame)] = self.sample(frame)["image"]
        sample = {
            "image": images[id(key.frame.image)],
            "height": height,
            "width": width,
            "video_id": 0,
            "frame_index": key.frame.number,
        }
        if key.references is not None:
            sample["reference_images"] = [images[id(frame)] for frame in key.references]
        return sample

    def sample(self, frame: np.ndarray) -> dict:
        """A sample for the model: a BGR frame (H, W, 3), resized, with its size before."""
        height, width = frame.shape[:2]
        image = self.aug.get_transform(frame).apply_image(frame)
        if self.input_format == "RGB":
            image = image[:, :, ::-1]
        return {"image": to_tensor(image), "height": height, "width": width}
