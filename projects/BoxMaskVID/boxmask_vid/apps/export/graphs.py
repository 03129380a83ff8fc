"""A model as graphs of plain tensors: frame to memory, and frame with memory to detections.

The formulation of the papers is exported (``MODEL.VID.ACCELERATE False``): sums of sparse rows,
which the fast one is made of, have no counterpart in ONNX. A reference frame is remembered as the
attention keys and values of its proposals and, with Temporal RoI Align, its feature map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from detectron2.config import CfgNode
from detectron2.export import TracingAdapter
from detectron2.modeling import build_model
from detectron2.structures import Instances

from ...errors import InputError
from ...modeling import TorchvisionBackbone, VideoRCNN
from ...modeling.layers import TemporalROIAlign
from ...modeling.layers.temporal_roi_align import most_similar_cells
from ...modeling.roi_heads import ReferenceBoxHead, SelsaBoxHead, TemporalROIHeads

Stages = list[tuple[torch.Tensor, ...]]

# Height and width of the traced frames. Graphs take any size; a check on frames of another size
# finds one that does not.
TRACED_SIZE = 120, 152


@dataclass(frozen=True)
class Port:
    """An input or output of a graph."""

    name: str  # of the tensor
    dtype: str  # of its numbers, as NumPy calls it
    shape: tuple[int | str, ...]  # its lengths; a name where they are free

    @property
    def free_axes(self) -> dict[int, str]:
        """Names of the axes of free length."""
        return {axis: name for axis, name in enumerate(self.shape) if isinstance(name, str)}


@dataclass(frozen=True)
class Graph:
    """A module of plain tensors, with tensors to trace it with."""

    name: str
    module: TracingAdapter
    inputs: list[Port]
    outputs: list[Port]


def build_graphs(cfg: CfgNode, model: VideoRCNN) -> list[Graph]:
    """The graphs of a model.

    - ``encode`` (only if the model looks at references): an image to its memory.
    - ``detect``: an image and the memory of any number of reference frames, those of each
      concatenated along the first axis, to boxes, scores, classes, and the memory of the image
      itself, which need not be among the references.

    The model is on the CPU. Raises InputError if it cannot be exported.
    """
    _check_exportable(cfg, model)
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.VID.ACCELERATE = False
    paper = build_model(cfg)
    paper.load_state_dict(model.state_dict())
    paper.eval()
    height, width = TRACED_SIZE
    image = torch.arange(3 * height * width).mul(7919).remainder(251).byte().view(3, height, width)
    picture = Port("image", "uint8", (3, "height", "width"))
    found = [
        Port("boxes", "float32", ("detections", 4)),
        Port("scores", "float32", ("detections",)),
        Port("classes", "int64", ("detections",)),
    ]
    own = memory_ports(paper)
    with torch.no_grad():
        memory = _encode(paper, image)
    detect = Graph(
        "detect",
        TracingAdapter(paper, (image, *memory), _detect).eval(),
        [picture, *(_of_references(port) for port in own)],
        [*found, *(Port(f"own_{port.name}", port.dtype, port.shape) for port in own)],
    )
    if not own:
        return [detect]
    return [Graph("encode", TracingAdapter(paper, image, _encode).eval(), [picture], own), detect]


def memory_ports(model: VideoRCNN) -> list[Port]:
    """The memory of one frame."""
    heads, ports = model.roi_heads, []
    if heads.box_head_uses_references:
        for stage, fc in enumerate(heads.box_head.fcs):
            for part in ("keys", "values"):
                shape = "proposals", fc.out_features
                ports.append(Port(f"stage_{stage}_{part}", "float32", shape))
    if heads.temporal_roi_align is not None:
        output = model.backbone.output_shape()[heads.box_in_features[0]]
        ports.append(Port("maps", "float32", (1, output.channels, "map_height", "map_width")))
    return ports


def _of_references(port: Port) -> Port:
    first = "reference_frames" if port.shape[0] == 1 else f"reference_{port.shape[0]}"
    return Port(port.name, port.dtype, (first, *port.shape[1:]))


def _check_exportable(cfg: CfgNode, model: VideoRCNN) -> None:
    if not isinstance(model.roi_heads, TemporalROIHeads):
        raise InputError(
            f"MODEL.ROI_HEADS.NAME is {cfg.MODEL.ROI_HEADS.NAME}: only models with "
            "TemporalROIHeads are exported; for Detectron2's own see its "
            "tools/deploy/export_model.py."
        )
    head = model.roi_heads.box_head
    if isinstance(head, ReferenceBoxHead) and not isinstance(head, SelsaBoxHead):
        raise InputError(
            f"MODEL.ROI_BOX_HEAD.NAME is {cfg.MODEL.ROI_BOX_HEAD.NAME}: of the box heads with "
            "references only SelsaBoxHead is exported."
        )
    bottom_up = getattr(model.backbone, "bottom_up", None)
    if isinstance(bottom_up, TorchvisionBackbone) and bottom_up.model_name.startswith("swin"):
        raise InputError(
            f"MODEL.VID.TORCHVISION.NAME is {bottom_up.model_name}: Swin Transformers are not "
            "exported, because the number of their windows, and so the graph, depends on the size "
            "of the image."
        )
    if model.roi_heads.predict_masks:
        raise InputError(
            "The model predicts masks, which are not exported: leave MODEL.BOXMASK.PREDICT_MASKS "
            "and MODEL.MASK_ON False."
        )


def _encode(model: VideoRCNN, image: torch.Tensor) -> tuple[Stages, list[torch.Tensor]]:
    return _look(model, image)[2:]


def _detect(
    model: VideoRCNN, image: torch.Tensor, stages: Stages, maps: list[torch.Tensor]
) -> tuple:
    """Boxes, scores, classes, and the memory of the image.

    ``stages`` are keys and values of references, M rows each; ``maps`` is one tensor (T, C, h, w),
    none without Temporal RoI Align.
    """
    proposals, rois, own_stages, own_maps = _look(model, image)
    heads = model.roi_heads
    for references, own in zip(maps, own_maps, strict=True):
        rois = _align(heads.temporal_roi_align, rois, torch.cat([references, own]))
    if heads.box_head_uses_references:
        pairs = zip(stages, own_stages, strict=True)
        stages = [tuple(map(torch.cat, zip(*pair, strict=True))) for pair in pairs]
        features = heads.box_head(rois, stages)
    else:
        features = heads.box_head(rois)
    predictor = heads.box_predictor
    (found,), _ = predictor.inference(predictor(features), [proposals])
    return found.pred_boxes.tensor, found.scores, found.pred_classes, own_stages, own_maps


def _look(
    model: VideoRCNN, image: torch.Tensor
) -> tuple[Instances, torch.Tensor, Stages, list[torch.Tensor]]:
    """Proposals of a frame, (R, C, P, P) their RoIAlign, and what is remembered of the frame."""
    images = model.preprocess_image([{"image": image}])
    features = model.backbone(images.tensor)
    (proposals,), _ = model.proposal_generator(images, features)
    heads = model.roi_heads
    (frame_maps,) = (features[name] for name in heads.box_in_features)
    rois = heads.box_pooler([frame_maps], [proposals.proposal_boxes])
    stages = (
        heads.box_head.project(heads.box_head.embed(rois)) if heads.box_head_uses_references else []
    )
    if heads.temporal_roi_align is None:
        return proposals, rois, stages, []
    stride = heads.map_stride
    height, width = ((size + stride - 1) // stride for size in image.shape[1:])
    return proposals, rois, stages, [frame_maps[:, :, :height, :width]]


def _align(
    temporal_roi_align: TemporalROIAlign, rois: torch.Tensor, maps: torch.Tensor
) -> torch.Tensor:
    """``TemporalROIAlign.forward`` of (R, C, P, P) on references in one tensor (T, C, h, w)."""
    count, channels, height, width = rois.shape
    cells = rois.permute(0, 2, 3, 1).flatten(0, 2)
    similar = _most_similar_of_each(cells, maps.flatten(2), temporal_roi_align.num_most_similar)
    similar = similar.view(-1, count, height, width, channels).permute(0, 1, 4, 2, 3)
    return temporal_roi_align.aggregate(torch.cat([rois[None], similar]))


@torch.jit.script_if_tracing
def _most_similar_of_each(cells: torch.Tensor, maps: torch.Tensor, count: int) -> torch.Tensor:
    """(T, N, C): :func:`most_similar_cells` of N cells in each of T maps (T, C, L).

    Scripted: a traced loop would have the number of references that it was traced with.
    """
    return torch.stack([most_similar_cells(cells, positions, count) for positions in maps.unbind()])
