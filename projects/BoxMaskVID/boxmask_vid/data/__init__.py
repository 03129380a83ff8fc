"""Data: registered data sets, reference sampling, mapper, samplers and loaders."""

from .batches import in_batches
from .build import build_vid_loss_loader, build_vid_test_loader, build_vid_train_loader
from .dataset_mapper import VIDDatasetMapper
from .datasets import load_vid_json, register_vid_instances
from .samplers import ResumableSampler, VideoInferenceSampler
from .timed_loader import TimedLoader, next_batch
from .transforms import ResizeToFit
from .video_index import VideoIndex

__all__ = [
    "ResizeToFit",
    "ResumableSampler",
    "TimedLoader",
    "VIDDatasetMapper",
    "VideoIndex",
    "VideoInferenceSampler",
    "build_vid_loss_loader",
    "build_vid_test_loader",
    "build_vid_train_loader",
    "in_batches",
    "load_vid_json",
    "next_batch",
    "register_vid_instances",
]
