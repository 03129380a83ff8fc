"""Scores detections on videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from detectron2.evaluation import COCOEvaluator
from pycocotools.cocoeval import COCOeval


class VIDEvaluator(COCOEvaluator):
    """``COCOEvaluator`` for boxes on the frames that were read, with AP50 of every class.

    ``evaluate()`` returns ``{"bbox": {...}}`` with AP, AP50 (the headline on ImageNet VID), AP75,
    APs, APm, APl, ``AP-<class>`` and ``AP50-<class>``, in percent; NaN where a class has no ground
    truth.
    """

    def __init__(self, dataset_name: str, output_dir: str | None = None) -> None:
        """
        Args:
            dataset_name: a registered data set.
            output_dir: where ``coco_instances_results.json`` goes.
        """
        super().__init__(dataset_name, tasks=("bbox",), output_dir=output_dir)
        # what pycocotools needs and a COCO-VID JSON may leave out; it also takes id 0 for "none"
        for number, each in enumerate(self._coco_api.dataset["annotations"], start=1):
            each["id"] = number
            each.setdefault("iscrowd", 0)
            each.setdefault("area", each["bbox"][2] * each["bbox"][3])
        self._coco_api.createIndex()

    def _eval_predictions(
        self, predictions: list[dict], img_ids: Sequence[int] | None = None
    ) -> None:
        read = sorted({prediction["image_id"] for prediction in predictions})
        super()._eval_predictions(predictions, img_ids=read if img_ids is None else img_ids)

    def _derive_coco_results(
        self, coco_eval: COCOeval, iou_type: str, class_names: list[str] | None = None
    ) -> dict[str, float]:
        results = super()._derive_coco_results(coco_eval, iou_type, class_names)
        if coco_eval is not None:
            at_50 = int(np.flatnonzero(np.isclose(coco_eval.params.iouThrs, 0.5))[0])
            # (recall, class) over all areas and the most detections
            precision = coco_eval.eval["precision"][at_50, :, :, 0, -1]
            for name, of_class in zip(class_names, precision.T, strict=True):
                found = of_class[of_class > -1]
                results[f"AP50-{name}"] = 100 * float(found.mean()) if len(found) else float("nan")
        return results
