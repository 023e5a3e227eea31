"""Histories as JSON lines."""
import json
import math

import pytest

from distill_kit.history import best_row, epoch_rows, load_history, save_history

ROWS = [{"kind": "epoch", "epoch": 1, "val_accuracy": 0.5, "best": True, "train_soft": None},
        {"kind": "epoch", "epoch": 2, "val_accuracy": 0.4, "best": False, "train_soft": None}]


def test_history_comes_back_as_it_was(tmp_path):
    save_history(tmp_path / "run" / "history.jsonl", {"temperature": 4.0, "leave_out": None}, ROWS)
    assert load_history(tmp_path / "run" / "history.jsonl") == ({"temperature": 4.0, "leave_out": None}, ROWS)


def test_every_line_is_strict_json(tmp_path):
    path = tmp_path / "history.jsonl"
    save_history(path, {}, [{"epoch": 1, "train_loss": math.nan, "deep": [{"x": math.inf}, (1.5, -math.inf)]}])
    refuse = pytest.fail
    lines = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert lines[1] == {"epoch": 1, "train_loss": None, "deep": [{"x": None}, [1.5, None]]}


def test_missing_history_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no history at .*nowhere"):
        load_history(tmp_path / "nowhere")


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "history.jsonl"
    save_history(path, {}, ROWS)
    path.write_text(path.read_text() + '{"epoch": 3, "val_')
    with pytest.raises(ValueError, match="line 4 is not a JSON object"):
        load_history(path)


def test_light_rows_are_told_from_epochs():
    assert epoch_rows([{"kind": "step"}, *ROWS, {"kind": "step"}]) == ROWS


def test_best_row_is_the_last_one_marked():
    third = {"kind": "epoch", "epoch": 3, "best": True}
    assert best_row(ROWS) == ROWS[0]
    assert best_row([*ROWS, third, {"kind": "epoch", "epoch": 4, "best": False}]) == third


def test_where_no_row_is_marked_the_last_weights_are_the_students():
    assert best_row([{"kind": "epoch", "epoch": 1, "stopped": "why"}])["epoch"] == 1


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n', encoding="utf-8-sig")
    assert load_history(tmp_path) == ({}, [{"epoch": 1}])
