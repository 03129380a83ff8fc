"""Every config key that BoxMaskVID adds to Detectron2's."""

from __future__ import annotations

from pathlib import Path

from detectron2.config import CfgNode as CN

# Keys and values of earlier versions, with what replaced them.
RENAMED_KEYS = {"MODEL.VID.TEST.ONLINE.MEMORY": "MODEL.VID.TEST.ONLINE.POLICY"}
RENAMED_VALUES = {
    ("MODEL.ANCHOR_GENERATOR.NAME", "PreciseAnchorGenerator"): "DefaultAnchorGenerator",
    ("MODEL.META_ARCHITECTURE", "PlainVideoRCNN"): "VideoRCNN with MODEL.VID.ACCELERATE False",
    ("MODEL.BACKBONE.NAME", "build_plain_resnet_dc5_backbone"): (
        "build_resnet_dc5_backbone with MODEL.VID.ACCELERATE False"
    ),
    ("MODEL.ROI_HEADS.NAME", "PlainTemporalROIHeads"): (
        "TemporalROIHeads with MODEL.VID.ACCELERATE False"
    ),
}


def add_boxmask_vid_config(cfg: CN) -> None:
    """Add the keys of BoxMaskVID to a config made by ``detectron2.config.get_cfg()``."""
    _add_dataset_keys(cfg)
    _add_input_keys(cfg)
    _add_model_keys(cfg)
    _add_reference_keys(cfg)
    _add_solver_keys(cfg)
    _add_test_keys(cfg)


def names_of_classes(cfg: CN) -> list[str]:
    """Class names of a model: ``MODEL.VID.CLASS_NAMES``, or numbers where that is empty."""
    numbered = [f"class {index}" for index in range(cfg.MODEL.ROI_HEADS.NUM_CLASSES)]
    return list(cfg.MODEL.VID.CLASS_NAMES) or numbered


def get_config_file(name: str) -> str:
    """Path of a config that ships with the project.

    Args:
        name: path under ``configs/``, e.g. "ImageNetVID/selsa_R_50_DC5_7e.yaml".

    Raises:
        FileNotFoundError: if no config has that name; the message lists all names.
    """
    folder = _configs_folder()
    path = folder / name
    if not path.is_file():
        known = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yaml"))
        raise FileNotFoundError(
            f"Config '{name}' not found under {folder}: use one of {', '.join(known)}."
        )
    return str(path)


def model_configs() -> dict[str, str]:
    """Paths of the configs of models for videos of one's own and of ImageNet VID, by name."""
    folder = _configs_folder()
    files = [*folder.glob("ImageNetVID/*_7e.yaml"), *folder.glob("Fast/*.yaml")]
    return {path.stem: str(path) for path in sorted(files)}


def _configs_folder() -> Path:
    package = Path(__file__).resolve().parent
    # inside the package when installed from a wheel, else at the top of the repository
    folders = [package / "configs", package.parents[2] / "configs"]
    return next(path for path in folders if path.is_dir())


def _add_dataset_keys(cfg: CN) -> None:
    # How often the samples of a data set are drawn, as [name, factor] pairs (1 where it is not
    # named), with DATALOADER.SAMPLER_TRAIN "WeightedTrainingSampler". Detectron2 reads this key,
    # its default config lacks it.
    cfg.DATASETS.TRAIN_REPEAT_FACTOR = []


def _add_input_keys(cfg: CN) -> None:
    cfg.INPUT.VID = CN()
    # Images are zero-padded (after normalisation) to a multiple of this many pixels.
    cfg.INPUT.VID.SIZE_DIVISIBILITY = 16

    cfg.INPUT.VID.TRAIN = CN()
    # Reference frames of a key frame in training: drawn uniformly, in turn from the REFERENCE_RANGE
    # frames before it and from those after it. 0 for a single-frame detector.
    cfg.INPUT.VID.TRAIN.NUM_REFERENCES = 2
    cfg.INPUT.VID.TRAIN.REFERENCE_RANGE = 9


def _add_model_keys(cfg: CN) -> None:
    cfg.MODEL.VID = CN()
    # Modules that compute the papers' equations faster, at equal output (modeling/fast). False for
    # the formulation of the papers.
    cfg.MODEL.VID.ACCELERATE = True
    # Names of the classes, for people. A training fills them in from its data set, so that the
    # config.yaml that it leaves says what its checkpoints detect.
    cfg.MODEL.VID.CLASS_NAMES = ()
    # Batch norm uses its stored statistics in training, too, while its affine parameters of the
    # stages that are not frozen are trained (with MODEL.RESNETS.NORM "BN").
    cfg.MODEL.VID.FREEZE_BN_STATISTICS = False
    # Lowest IoU at which a ground truth's best anchors become positive all the same.
    cfg.MODEL.VID.RPN_MIN_LOW_QUALITY_IOU = 0.3

    cfg.MODEL.VID.NECK = CN()
    # Channels of the 3x3 convolution behind the DC5 backbone.
    cfg.MODEL.VID.NECK.OUT_CHANNELS = 512

    # Classification model of torchvision for the backbone build_torchvision_backbone.
    cfg.MODEL.VID.TORCHVISION = CN()
    # Its name there, e.g. "convnext_tiny"; weights are torchvision://NAME.
    cfg.MODEL.VID.TORCHVISION.NAME = "resnet50"
    # Node that it is cut behind, a name of torchvision.models.feature_extraction; empty for the
    # last stage of stride 16.
    cfg.MODEL.VID.TORCHVISION.NODE = ""
    # Dilate the convolutions of the stages behind stride 16 instead of giving them a stride (DC5).
    cfg.MODEL.VID.TORCHVISION.DILATE = False

    cfg.MODEL.VID.SELSA = CN()
    # Attention heads of SelsaBoxHead; one aggregation follows each of ROI_BOX_HEAD.NUM_FC layers.
    cfg.MODEL.VID.SELSA.NUM_HEADS = 16

    cfg.MODEL.VID.TROI = CN()
    # Temporal RoI Align on the features of the box head.
    cfg.MODEL.VID.TROI.ENABLED = False
    # Cells taken from each reference frame for each RoI cell.
    cfg.MODEL.VID.TROI.NUM_MOST_SIMILAR = 2
    # Heads of the attention over frames; 0 for a plain mean.
    cfg.MODEL.VID.TROI.NUM_HEADS = 4

    cfg.MODEL.BOXMASK = CN()
    # Train a mask head (MODEL.ROI_MASK_HEAD) on boxes filled as masks. MODEL.MASK_ON stays False.
    cfg.MODEL.BOXMASK.ENABLED = False
    cfg.MODEL.BOXMASK.LOSS_WEIGHT = 0.5
    # Run the mask head at test, too, and return pred_masks: to look at, not to score.
    cfg.MODEL.BOXMASK.PREDICT_MASKS = False


def _add_reference_keys(cfg: CN) -> None:
    cfg.MODEL.VID.TEST = CN()
    # Reference policy at test, one of boxmask_vid.references: "adaptive" (NUM_REFERENCES frames
    # spread evenly over the video, loaded once), "fixed" (NUM_REFERENCES / 2 frames on each side of
    # the key frame, every STRIDE-th one) or "online" (at most NUM_REFERENCES frames of the past, as
    # in a live stream).
    # 0 references: the key frame is its own reference.
    cfg.MODEL.VID.TEST.REFERENCES = "adaptive"
    cfg.MODEL.VID.TEST.NUM_REFERENCES = 14
    cfg.MODEL.VID.TEST.STRIDE = 1
    # Reference frames that are encoded together when a video begins: 0 for as many as fit into the
    # memory of a GPU, and 1 on a CPU. With ACCELERATE False all of them are.
    cfg.MODEL.VID.TEST.REFERENCES_AT_ONCE = 0
    # Frames of a video that are detected together, at most: they fill a GPU, and take as many times
    # the memory of one frame. The detections are the same; those of a stream come as many frames
    # later.
    cfg.MODEL.VID.TEST.FRAMES_AT_ONCE = 1

    # Precision of the network at test: "full" (of its weights), "bfloat16" or "float16" (autocast,
    # on GPUs and on CPUs that have it). Similarity, softmax and boxes are float32 all the same.
    cfg.MODEL.VID.TEST.PRECISION = "full"

    cfg.MODEL.VID.TEST.ONLINE = CN()
    # Frames of the past that are kept: "reservoir" (a uniform sample of all of it) or "sliding"
    # (the newest frames, every STRIDE-th one).
    cfg.MODEL.VID.TEST.ONLINE.POLICY = "reservoir"
    # Future frames that serve as references, too; detections come that many frames later.
    cfg.MODEL.VID.TEST.ONLINE.LOOKAHEAD = 0

    cfg.MODEL.VID.TEST.MEMORY = CN()
    # Precision of the projections of reference frames that are kept: "full" (as computed),
    # "float16" or "bfloat16". Similarity and softmax are computed in float32 all the same.
    cfg.MODEL.VID.TEST.MEMORY.PRECISION = "full"
    # MiB for the references of a video. Where they would take more, projections of their maps are
    # computed again at every key frame instead of kept. -1 for no limit.
    cfg.MODEL.VID.TEST.MEMORY.BUDGET_MB = -1.0


def _add_solver_keys(cfg: CN) -> None:
    # "SGD" (Detectron2's) or "AdamW", with betas of 0.9 and 0.999.
    cfg.SOLVER.OPTIMIZER = "SGD"
    # Factor of the learning rate from a layer of build_torchvision_backbone to the one before it;
    # the last one has this factor, the heads have 1. 1 for the same rate everywhere.
    cfg.SOLVER.LAYER_DECAY = 1.0
    # Batches of a step: their gradients are averaged, as those of as many processes are. Iterations
    # (MAX_ITER, STEPS, ...) are steps. With REFERENCE_WORLD_SIZE, learning rate and schedule are
    # scaled by the size of the step.
    cfg.SOLVER.ACCUMULATE = 1
    # What SOLVER.AMP.ENABLED computes in: "float16" (with a scaled loss; needs a GPU), "bfloat16",
    # or "auto": float16 on a GPU, bfloat16 on a CPU.
    cfg.SOLVER.AMP.PRECISION = "auto"
    # Checkpoints of SOLVER.CHECKPOINT_PERIOD that are kept, the newest ones; 0 for all of them.
    # model_final.pth and model_best.pth are always kept.
    cfg.SOLVER.CHECKPOINT_KEEP = 0


def _add_test_keys(cfg: CN) -> None:
    # Iterations between two computations of the losses on DATASETS.TEST, which are in metrics.json
    # and TensorBoard as validation/...; 0 for none. At most 500 frames of a data set are read.
    cfg.TEST.LOSS_PERIOD = 0
    # Evaluations (of TEST.EVAL_PERIOD) without an improvement of TEST.BEST_METRIC (default:
    # bbox/AP50) after which the training ends; 0 for never.
    cfg.TEST.PATIENCE = 0
    # Metric whose best evaluation is kept as model_best.pth, e.g. "bbox/AP50" (with several test
    # sets "NAME/bbox/AP50"); "" for none.
    cfg.TEST.BEST_METRIC = ""
    cfg.TEST.VID = CN()
    # Scorers: "coco" (has the headline, bbox/AP50), "ilsvrc", "mega".
    cfg.TEST.VID.SCORERS = ("coco", "ilsvrc", "mega")
    # Draws of videos for the 95 % intervals; 0 for none.
    cfg.TEST.VID.BOOTSTRAP_DRAWS = 1000
