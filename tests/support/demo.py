"""demo.py with the smallest model, in this process."""

from boxmask_vid.apps.video_demo import demo
from support.small import CONFIG, SMALLEST

FRAMES = 5  # of the clip


def arguments(weights: str, *words: object) -> list[str]:
    size = "INPUT.MIN_SIZE_TEST", "64", "INPUT.MAX_SIZE_TEST", "96", "MODEL.VID.CLASS_NAMES", "()"
    more = list(words)
    opts = more[more.index("--opts") + 1 :] if "--opts" in more else []
    more = more[: more.index("--opts")] if "--opts" in more else more
    return [
        *("--config-file", CONFIG, "--threshold", "0.2", *map(str, more)),
        *("--opts", *SMALLEST, *size, "MODEL.WEIGHTS", weights, *map(str, opts)),
    ]


def run(weights: str, *words: object) -> None:
    demo.run(demo.argument_parser().parse_args(arguments(weights, *words)))
