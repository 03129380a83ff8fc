"""Models of an ablation and the data that they are measured on; the three presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import synthetic_data

TITLES = {
    "faster_rcnn": "single frames (Faster R-CNN)",
    "boxmask_faster_rcnn": "single frames + BoxMask",
    "selsa": "SELSA",
    "boxmask_selsa": "SELSA + BoxMask",
    "selsa_troi": "SELSA + TROI",
    "boxmask_selsa_troi": "SELSA + TROI + BoxMask",
}
THIN = "SyntheticVID/{}_thin_R_50_DC5.yaml"
FULL = "ImageNetVID/{}_R_50_DC5_7e.yaml"
TOP = "boxmask_selsa_troi"

_STAGES = "MODEL.ROI_BOX_HEAD.NUM_FC"
_ANCHORS = "MODEL.ANCHOR_GENERATOR.SIZES"
_STRIDE_8 = ("MODEL.RESNETS.OUT_FEATURES", ["res3"])
_CONVOLUTIONS = "MODEL.ROI_MASK_HEAD.NUM_CONV"
_CHANGES = {
    "class-agnostic masks": ("MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK", True),
    "BoxMask loss x 0.25": ("MODEL.BOXMASK.LOSS_WEIGHT", 0.25),
    "BoxMask loss x 1": ("MODEL.BOXMASK.LOSS_WEIGHT", 1.0),
    "mask head of 1 convolution": (_CONVOLUTIONS, 1),
}


@dataclass(frozen=True)
class Model:
    """A model to train."""

    name: str  # of its folder
    title: str  # its name in tables
    config: str  # file under configs/
    options: tuple[object, ...] = ()  # config options in training and at test
    single_frame: bool = False  # whether it never looks at other frames


@dataclass(frozen=True)
class Evaluation:
    """A way to test a trained model."""

    name: str  # of its folder
    datasets: tuple[str, ...]  # registered names
    options: tuple[object, ...] = ()  # config options of this test


@dataclass(frozen=True)
class Preset:
    """An ablation: models, data sets and tests."""

    name: str  # on the command line
    variants: tuple[Model, ...]  # of the papers, each with one part more than one before it
    further_variants: tuple[Model, ...]  # with one thing changed
    options: tuple[object, ...]  # config options of all models
    train: tuple[str, ...]  # data sets for training
    curve: tuple[str, ...]  # data sets that are evaluated during a training; may be empty
    # Title of a column of the table, and the data set that it is measured on; motion, sweeps and
    # comparisons are measured on the last one.
    splits: Mapping[str, str]
    # The model that all others start from; None for MODEL.WEIGHTS, or from scratch.
    start: Model | None = None
    strengths: Mapping[float, str] = field(default_factory=dict)  # degradation and its data set
    references: tuple[int, ...] = (0, 1, 2, 4, 7, 28)  # numbers of reference frames to try at test
    modes: tuple[Evaluation, ...] = ()  # reference policies, tried on the last of the variants
    # Name, JSON and image folder of data sets that are not built in.
    registered: tuple[tuple[str, Path, Path], ...] = ()

    @property
    def cheap_variants(self) -> tuple[Model, ...]:
        """Variants without TROI, of which many seeds can be trained."""
        return tuple(model for model in self.variants if "troi" not in model.name)

    @property
    def test(self) -> Evaluation:
        """The test of the table."""
        return Evaluation("test", tuple(self.splits.values()))

    def sweeps(self, model: Model) -> list[Evaluation]:
        """Further tests of a variant."""
        result = []
        if self.strengths:
            result.append(Evaluation("strengths", tuple(self.strengths.values())))
        if not model.single_frame:
            main = tuple(self.splits.values())[-1:]
            result += [
                Evaluation(f"references_{number}", main, _references(number))
                for number in self.references
            ]
        return result


def synthetic(root: Path) -> Preset:
    """Synthetic videos below ``root``, version 3; chosen with single frames only.

    Most objects are 64 to 140 pixels, 8 to 17 cells, as in the published configs: Temporal RoI
    Align, which takes whole cells of other frames, makes poor boxes of fewer (docs/RESULTS.md).
    """
    changes = {
        "3 SELSA stages": (_STAGES, 3),
        "anchors twice as large": (_ANCHORS, "[[128, 180, 256]]"),
        **_CHANGES,
        "mask head of 4 convolutions": (_CONVOLUTIONS, 4),
    }
    return Preset(
        name="synthetic",
        variants=_variants(THIN),
        further_variants=(_control(THIN), *_changed(THIN, changes)),
        options=(
            *(*_STRIDE_8, *_size(192, 256), _ANCHORS, "[[64, 90, 128]]"),
            *(*_schedule(240, warmup=20), *_references(14)),
            *("SOLVER.CHECKPOINT_PERIOD", 50, "TEST.EVAL_PERIOD", 100),
        ),
        start=_start(),
        train=("ablation_train",),
        curve=("ablation_val",),
        splits={"clean": "clean", "degraded": "degraded"},
        strengths={strength: f"strength_{strength}" for strength in synthetic_data.STRENGTHS},
        modes=_modes("degraded_videos", *_references(6)),
        registered=synthetic_data.registered(root),
    )


def mini_vid(
    train_json: Path, val_json: Path, images: Path, *, classes: str, backbone: str
) -> Preset:
    """Real clips, from scratch: single frames and SELSA.

    Args:
        train_json, val_json: their annotations.
        images: folder of their frames.
        classes: "all" ten, or the four that are "flying".
        backbone: "thin_resnet" with a map of stride 8, "mobilenet" with one of 16 and images larger
            by a third.
    """
    number = {"all": 10, "flying": 4}[classes]
    return Preset(
        name=f"mini_vid_{classes}_{backbone}",
        variants=tuple(
            model for model in _variants(THIN) if model.name in ("faster_rcnn", "selsa")
        ),
        further_variants=(),
        options=(
            *_BACKBONES[backbone],
            *("MODEL.ROI_HEADS.NUM_CLASSES", number, _ANCHORS, "[[16, 32, 64, 128]]"),
            *(*_schedule(200, warmup=20), "SOLVER.IMS_PER_BATCH", 4, "SOLVER.BASE_LR", 0.01),
            *("SOLVER.CHECKPOINT_PERIOD", 50, *_references(14)),
        ),
        start=_start(),
        train=("mini_vid_train",),
        curve=(),
        splits={"all frames": "mini_vid_val"},
        references=(),
        registered=(("mini_vid_train", train_json, images), ("mini_vid_val", val_json, images)),
    )


def imagenet_vid() -> Preset:
    """The published configs on the built-in data sets."""
    stages = {"2 SELSA stages": (_STAGES, 2), **_CHANGES}
    small = Model("small_anchors", "anchors of TROI", FULL.format(f"{TOP}_small_anchors"))
    return Preset(
        name="imagenet_vid",
        variants=_variants(FULL),
        further_variants=(_control(FULL), small, *_changed(FULL, stages)),
        options=(),
        train=("imagenet_vid_train", "imagenet_det_30plus1_train"),
        curve=(),
        splits={"all frames": "imagenet_vid_val"},
        modes=_modes("imagenet_vid_val"),
    )


def _variants(config: str) -> tuple[Model, ...]:
    return tuple(
        Model(name, title, config.format(name), single_frame="selsa" not in name)
        for name, title in TITLES.items()
    )


def _modes(dataset: str, *options: object) -> tuple[Evaluation, ...]:
    return tuple(
        Evaluation(f"mode_{mode}", (dataset,), ("MODEL.VID.TEST.REFERENCES", mode, *options))
        for mode in ("adaptive", "fixed", "online")
    )


def _size(short: int, long: int) -> tuple[object, ...]:
    """Images fit into short x long pixels."""
    training = ("INPUT.MIN_SIZE_TRAIN", f"({short},)", "INPUT.MAX_SIZE_TRAIN", long)
    return (*training, "INPUT.MIN_SIZE_TEST", short, "INPUT.MAX_SIZE_TEST", long)


def _schedule(iterations: int, *, warmup: int) -> tuple[object, ...]:
    step = iterations * 4 // 5
    options = ("SOLVER.MAX_ITER", iterations, "SOLVER.STEPS", f"({step},)")
    return (*options, "SOLVER.WARMUP_ITERS", warmup)


_BACKBONES = {
    "thin_resnet": (*_STRIDE_8, *_size(240, 432)),
    "mobilenet": (
        *("MODEL.BACKBONE.NAME", "build_torchvision_backbone"),
        *("MODEL.VID.TORCHVISION.NAME", "mobilenet_v3_large", *_size(320, 576)),
    ),
}


def _start() -> Model:
    """Single frames, from scratch, in place of the ImageNet weights of the published models."""
    name, options = "faster_rcnn", (*_schedule(600, warmup=100), "TEST.EVAL_PERIOD", 200)
    return Model("start", TITLES[name], THIN.format(name), options, single_frame=True)


def _control(config: str) -> Model:
    """Single frames with as many images as the clips of the others have, all of them labelled."""
    name, options = "faster_rcnn", ("SOLVER.IMS_PER_BATCH", 24)
    title = f"{TITLES[name]}, three times the images"
    return Model("more_images", title, config.format(name), options, single_frame=True)


def _changed(config: str, changes: Mapping[str, tuple[str, object]]) -> tuple[Model, ...]:
    """The full model with one thing changed: ``changes`` by title."""
    return tuple(
        Model(title.replace(" ", "_"), title, config.format(TOP), change)
        for title, change in changes.items()
    )


def _references(number: int) -> tuple[object, ...]:
    return ("MODEL.VID.TEST.NUM_REFERENCES", number)
