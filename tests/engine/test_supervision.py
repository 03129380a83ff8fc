"""Results are what supervision takes as those of Detectron2."""

import numpy as np
import pytest
import supervision
import torch

from boxmask_vid.engine.predictor import VideoPredictor
from support.small import small_cfg, small_model


@pytest.mark.parametrize("masks", [False, True])
def test_results_of_a_video(tmp_path, masks):
    torch.save({"model": small_model("boxmask").state_dict()}, tmp_path / "model.pth")
    opts = "MODEL.WEIGHTS", tmp_path / "model.pth", "MODEL.BOXMASK.PREDICT_MASKS", masks
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 256, (61, 93, 3), np.uint8) for _ in range(2)]
    for found in VideoPredictor(small_cfg("boxmask", *opts)).predict_video(frames):
        instances = found["instances"]
        detections = supervision.Detections.from_detectron2(found)
        assert len(detections) == len(instances) > 0
        assert np.array_equal(detections.xyxy, instances.pred_boxes.tensor.numpy())
        assert np.array_equal(detections.confidence, instances.scores.numpy())
        assert np.array_equal(detections.class_id, instances.pred_classes.numpy())
        assert (detections.mask is not None) == masks
        if masks:
            assert detections.mask.shape == (len(instances), 61, 93)
