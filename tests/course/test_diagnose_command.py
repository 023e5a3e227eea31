"""python -m distill_kit diagnose: what it reads of a history, and what it says of what it cannot read."""
import json

import pytest
from small_commands import value_of


def test_diagnose_reads_a_history_written_by_hand(answer, tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps({"train_loss": 2.302, "val_loss": 2.303, "val_accuracy": 0.1}) + "\n"
                            for _ in range(5)))
    status, out, _ = answer("diagnose", file, "--json")
    assert status == 0 and [finding["name"] for finding in value_of(out)["findings"]] == ["both_stagnate"]
    assert "harm_withheld" in value_of(out) and "harm_withheld" not in value_of(
        answer("diagnose", file, "--data", "cifar10", "--json")[1])
    status, out, _ = answer("diagnose", file)
    assert status == 0 and "both_stagnate" in out and "columns read" in out and "train_loss, val_loss" in out


@pytest.mark.parametrize("row, sentence", (
    ({"train loss": 2.0, "validation loss": 2.1}, "did you mean 'val_loss'?"),
    ({"loss": 2.0}, "Column 'loss' is not read; did you mean 'train_loss'?"),
    ({"train_loss": "nan"}, "train_loss must be a number, or null where it is none; epoch 1 has 'nan'"),
    ({"train_loss": 2.0, "val_accuracy": 52.0},
     "val_accuracy must be a share from 0 to 1; epoch 1 has 52 on line 1. Divide by 100."),
    ({"train_loss": 2.0, "val_accuracy": -0.4}, "val_accuracy must be a share from 0 to 1; epoch 1 has -0.4"),
    ({"epoch": 1, "colour": "red"}, "the history must have a column that is known")))
def test_diagnose_does_not_call_right_what_it_cannot_read(answer, tmp_path, row, sentence):
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(row) + "\n")
    status, _, error = answer("diagnose", file)
    assert status == 2 and sentence in error


def test_diagnose_reads_what_it_knows_and_names_what_was_meant(answer, tmp_path):
    rows = [{"train_loss": 2.0 / epoch, "val_acc": 0.1 * epoch, "note": "mine"} for epoch in range(1, 5)]
    (tmp_path / "history.jsonl").write_text("\n\n".join(map(json.dumps, rows)))  # blank lines, and found in a folder
    report = value_of(answer("diagnose", tmp_path, "--json")[1])
    assert report["columns"] == ["train_loss"]
    assert report["remarks"] == ["Column 'val_acc' is not read; did you mean 'val_accuracy'?"]
    assert "data must be one of cifar10, shapes10" in answer("diagnose", tmp_path, "--data", "imagenet")[2]


@pytest.mark.parametrize("text, sentence", (("", "is empty"), ("[1, 2]\n", "line 1"), ("oh no\n", "line 1")))
def test_diagnose_says_what_is_wrong_with_a_file(answer, tmp_path, text, sentence):
    file = tmp_path / "mine.jsonl"
    file.write_text(text)
    status, _, error = answer("diagnose", file)
    assert status == 2 and sentence in error
    assert answer("diagnose", tmp_path / "nowhere")[0] == 2


def test_a_source_that_is_no_text_is_a_source_that_nobody_knows(answer, tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"kind": "settings", "source": 5}\n{"epoch": 1, "train_loss": 2.1, "val_accuracy": 0.3}\n')
    status, out, _ = answer("diagnose", file, "--json")
    assert status == 0 and "harm_withheld" in value_of(out)


@pytest.mark.parametrize("steps", ["null", "0"])
def test_a_number_that_is_not_there_is_no_number(answer, tmp_path, steps):
    file = tmp_path / "mine.jsonl"
    file.write_text(f'{{"epoch": 1, "steps": {steps}, "train_accuracy": 0.1, "val_accuracy": 0.1}}\n' * 3)
    status, out, _ = answer("diagnose", file, "--data", "cifar10", "--json")
    assert status == 0 and "student_too_small" not in {finding["name"] for finding in value_of(out)["findings"]}


def test_case_27_every_column_of_the_kits_own_histories_is_known(answer, tmp_path):
    from distill_kit.history import Row
    (tmp_path / "mine.jsonl").write_text(json.dumps({"train_loss": 2.0, **dict.fromkeys(Row.__annotations__)}
                                                    | {"kind": "epoch"}) + "\n")
    status, out, _ = answer("diagnose", tmp_path / "mine.jsonl", "--json")
    assert status == 0 and value_of(out)["remarks"] == []


@pytest.mark.parametrize("text, sentence", [
    ('{"kind": "settings"}\n\n{"train_loss": 2}\n{"train_loss": 2, "first_hard": 1e300}',
     "first_hard must be from -1e+39 "
     "to 1e+39; epoch 2 has 1e+300 on line 4. Write null where it is not known."),
    ('{"train_loss": 2, "classes": -3}', "classes must be from 2 to 1e+06; epoch 1 has -3 on line 1."),
    ('{"train_loss": ' + "[" * 900 + "]" * 900 + "}",
     "train_loss must be a number, or null where it is none; epoch 1 has [["),
    ('{"temperature": 1' + "0" * 400 + "}", "temperature must be from 0.001 to 1e+06; epoch 1 has 1000")])
def test_h5_what_no_column_can_hold_is_a_sentence_with_line_and_column(answer, tmp_path, text, sentence):
    (tmp_path / "mine.jsonl").write_text(text)
    status, out, errors = answer("diagnose", tmp_path / "mine.jsonl")
    assert status == 2 and out == "" and sentence in errors and errors.count("\n") == 1 and len(errors) < 250
    assert "data must be one of" in answer("diagnose", tmp_path / "mine.jsonl", "--data", "")[2]


@pytest.mark.parametrize("data", ["nonsense", "", "nan", "CIFAR10 "])
def test_h4_diagnose_takes_the_names_of_measured_images_only(answer, tmp_path, data):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"epoch": 1, "train_loss": 2.1, "val_accuracy": 0.3}\n')
    status, out, errors = answer("diagnose", file, "--data", data)
    assert status == 2 and out == "" and errors.count("\n") == 1
    assert f"data must be one of cifar10, shapes10, whose healthy runs were measured; got {data!r}" in errors
