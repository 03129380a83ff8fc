from boxmask_vid.apps.speed.decoding_speed import FILES, run_benchmark


def test_every_frame_that_our_readers_give_is_the_right_one(tmp_path, capsys):
    run_benchmark(tmp_path, frames=12, rounds=1)
    _, _, _, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1 + 3 * len(FILES)
    for row in rows:
        *_, _, wrong, milliseconds, wrong_anywhere = row.split()
        assert float(milliseconds) > 0
        if "OpenCV" not in row:
            assert (wrong, wrong_anywhere) == ("0", "0")
