#!/usr/bin/env python3
"""Train and measure the ladder of the papers, single frames to BoxMask; see ``--help``."""

from pathlib import Path

from boxmask_vid.engine import bad_input_in_one_line
from boxmask_vid.engine.ladder.ladder import Ladder, argument_parser, prepare

if __name__ == "__main__":
    args = argument_parser().parse_args()
    repository = Path(__file__).resolve().parents[3]
    with bad_input_in_one_line():
        Ladder(
            repository,
            args.output,
            prepare(args, repository),
            range(1, args.seeds + 1),
            args.ablations,
            args.jobs,
            args.num_gpus,
            args.opts,
        ).run()
