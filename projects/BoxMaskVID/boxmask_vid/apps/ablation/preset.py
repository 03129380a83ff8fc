"""What a ladder trains and on what it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """One thing to train.

    Attributes:
        name: of its folder.
        title: for tables.
        config: file under ``configs/``.
        options: in which it differs from the config; they hold at test, too.
        single_frame: whether it never looks at other frames.
    """

    name: str
    title: str
    config: str
    options: tuple[object, ...] = ()
    single_frame: bool = False


@dataclass(frozen=True)
class Evaluation:
    """One way to test what was trained.

    Attributes:
        name: of its folder.
        datasets: names.
        options: in which the test differs from the model's.
    """

    name: str
    datasets: tuple[str, ...]
    options: tuple[object, ...] = ()


@dataclass(frozen=True)
class Preset:
    """A ladder.

    Attributes:
        name: as on the command line.
        rungs: from the bottom up.
        ablations: variants of rungs.
        options: of all models.
        start: what all models are trained from; None for MODEL.WEIGHTS, or from scratch.
        train: data sets to train on.
        curve: data sets that are evaluated in the course of a training; none for none.
        splits: title of a column of the table and the data set that it is measured on; the last one
            is the one that motion, sweeps and comparisons are about.
        strengths: degradation strength and the data set that has it.
        references: numbers of reference frames to try at test.
        modes: ways to choose reference frames at test, tried on the last of the rungs.
        registered: name, JSON and image folder of data sets that are not built in.
    """

    name: str
    rungs: tuple[Model, ...]
    ablations: tuple[Model, ...]
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
        """The one of the table."""
        return Evaluation("test", tuple(self.splits.values()))

    def sweeps(self, model: Model) -> list[Evaluation]:
        """Further tests of a rung."""
        result = []
        if self.strengths:
            result.append(Evaluation("strengths", tuple(self.strengths.values())))
        if not model.single_frame:
            key, main = "MODEL.VID.TEST.NUM_REFERENCES", tuple(self.splits.values())[-1:]
            result += [Evaluation(f"references_{n}", main, (key, n)) for n in self.references]
        return result


def references_option(number: int) -> tuple[object, ...]:
    """Options for a number of reference frames at test."""
    return ("MODEL.VID.TEST.NUM_REFERENCES", number)
