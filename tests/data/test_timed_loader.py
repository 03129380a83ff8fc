import logging
import re
import time

import pytest
from torch.utils.data import DataLoader

from boxmask_vid.data import TimedLoader


def test_share_of_waiting_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="boxmask_vid")
    loader = TimedLoader(DataLoader(list(range(6)), batch_size=2, collate_fn=list))
    assert len(loader) == 3
    for _ in range(2):
        assert list(loader) == [[0, 1], [2, 3], [4, 5]]
    first, second = (record.message for record in caplog.records)
    for message in (first, second):
        assert re.fullmatch(r"Waited for data: [\d.]+ of [\d.]+ s \([\d.]+ %\), 0 workers", message)


def test_only_waiting_counts(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="boxmask_vid")
    busy = 0.0
    for _ in TimedLoader(DataLoader([1, 2])):
        start = time.perf_counter()
        while time.perf_counter() < start + 0.2:  # the model is busy
            pass
        busy += time.perf_counter() - start
    seconds = re.search(r"([\d.]+) of ([\d.]+) s", caplog.records[-1].message)
    waited, total = map(float, seconds.groups())
    assert waited <= total - busy + 0.11  # both are rounded
