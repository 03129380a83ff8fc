"""Words of hooks."""

import logging
from types import SimpleNamespace

import pytest
from detectron2.utils.events import EventStorage

from boxmask_vid.engine.checkpoint_hooks import KeepNewest, WarnOfDivergence
from boxmask_vid.errors import InputError
from support.small import small_cfg


def test_a_loss_far_above_any_gets_a_word_each_time_it_grew_tenfold(caplog):
    hook = WarnOfDivergence()
    with EventStorage() as storage, caplog.at_level(logging.WARNING):
        hook.trainer = SimpleNamespace(storage=storage, iter=0, cfg=small_cfg())
        for number, loss in enumerate([3.0, 80.0, 1e8, 2e8, 3e9, 1.0]):
            storage.put_scalar("total_loss", loss)
            hook.trainer.iter = number
            hook.after_step()
    said = [message.split(":")[0] for message in caplog.messages]
    assert said == ["The loss is 1e+08 in iteration 2", "The loss is 3e+09 in iteration 4"]
    assert "lower SOLVER.BASE_LR" in caplog.text


def test_a_negative_number_of_checkpoints_is_refused():
    with pytest.raises(InputError, match=r"SOLVER\.CHECKPOINT_KEEP is -1"):
        KeepNewest(None, 5, keep=-1)
