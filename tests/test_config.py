import pytest
from detectron2.config import get_cfg

from boxmask_vid import add_boxmask_vid_config, get_config_file
from boxmask_vid.engine import build_cfg
from boxmask_vid.errors import InputError
from support.paths import CONFIGS

DEMO = "SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml"


def test_config_file_by_name():
    assert get_config_file(DEMO) == str(CONFIGS / DEMO)
    with pytest.raises(
        FileNotFoundError, match=r"Config 'selsa\.yaml' not found .*selsa_R_50_DC5_7e\.yaml"
    ):
        get_config_file("selsa.yaml")


def test_keys_can_be_added_to_detectron2s_config():
    cfg = get_cfg()
    add_boxmask_vid_config(cfg)
    cfg.merge_from_file(get_config_file(DEMO))
    assert cfg.MODEL.BOXMASK.ENABLED


def test_a_key_that_does_not_exist_in_a_file_and_on_the_command_line(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        f"_BASE_: {get_config_file(DEMO)}\nMODEL:\n  VID:\n    TROI:\n      HEADS: 3\n"
    )
    with pytest.raises(InputError, match=rf"In {wrong}: Non-existent .*MODEL\.VID\.TROI\.HEADS"):
        build_cfg(str(wrong))
    message = r"MODEL\.BOXMASK\.ENABLE \(did you mean MODEL\.BOXMASK\.ENABLED"
    with pytest.raises(InputError, match=message):
        build_cfg(get_config_file(DEMO), ["MODEL.BOXMASK.ENABLE", "True"])


def test_a_file_that_does_not_exist_or_is_no_yaml(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Config file 'no\.yaml' not found"):
        build_cfg("no.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("MODEL: [1\n")
    with pytest.raises(InputError, match=f"{broken} .*is not YAML .* line 1, column 8"):
        build_cfg(str(broken))
