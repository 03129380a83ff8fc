"""Models of an ablation and the data that they are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


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
    references: tuple[int, ...] = ()  # numbers of reference frames to try at test
    modes: tuple[Evaluation, ...] = ()  # reference policies, tried on the last of the variants
    # Name, JSON and image folder of data sets that are not built in.
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
