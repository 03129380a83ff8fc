"""Models of an ablation and the data that they are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """A model to train.

    Attributes:
        name: name of its folder.
        title: its name in tables.
        config: file under ``configs/``.
        options: config options in training and at test.
        single_frame: whether it never looks at other frames.
    """

    name: str
    title: str
    config: str
    options: tuple[object, ...] = ()
    single_frame: bool = False


@dataclass(frozen=True)
class Evaluation:
    """A way to test a trained model.

    Attributes:
        name: name of its folder.
        datasets: registered names.
        options: config options of this test.
    """

    name: str
    datasets: tuple[str, ...]
    options: tuple[object, ...] = ()


@dataclass(frozen=True)
class Preset:
    """An ablation: models, data sets and tests.

    Attributes:
        name: name on the command line.
        variants: models of the papers, each with one part more than one before it.
        further_variants: variants with one thing changed.
        options: config options of all models.
        start: the model that all others start from; None for MODEL.WEIGHTS, or from scratch.
        train: data sets for training.
        curve: data sets that are evaluated in the course of a training; may be empty.
        splits: title of a column of the table and the data set that it is measured on; motion,
            sweeps and comparisons are measured on the last one.
        strengths: degradation strength and the data set that has it.
        references: numbers of reference frames to try at test.
        modes: ways to choose reference frames at test, tried on the last of the variants.
        registered: name, JSON and image folder of data sets that are not built in.
    """

    name: str
    variants: tuple[Model, ...]
    further_variants: tuple[Model, ...]
    options: tuple[object, ...]
    train: tuple[str, ...]
    curve: tuple[str, ...]
    splits: Mapping[str, str]
    start: Model | None = None
    strengths: Mapping[float, str] = field(default_factory=dict)
    references: tuple[int, ...] = ()
    modes: tuple[Evaluation, ...] = ()
    registered: tuple[tuple[str, Path, Path], ...] = ()

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
                Evaluation(f"references_{number}", main, references_option(number))
                for number in self.references
            ]
        return result


def references_option(number: int) -> tuple[object, ...]:
    """Options for a number of reference frames at test."""
    return ("MODEL.VID.TEST.NUM_REFERENCES", number)
