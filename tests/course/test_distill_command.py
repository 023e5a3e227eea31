"""python -m distill_kit distill: its report, its options and what it refuses."""
import contextlib
import re

import pytest
from small_commands import DATASET, QUICK, value_of

from distill_kit.history import load_history

KEYS = {"val_accuracy", "test_accuracy", "seconds", "teacher_seconds", "load_seconds", "images_per_second", "precision",
        "history"}


def test_distill_answers_with_a_single_json_value(answer):
    status, out, errors = answer("distill", *QUICK, "--json")
    report = value_of(out)
    assert status == 0 and set(report) >= KEYS and "rank2_left_out" not in report
    assert 0 <= report["test_accuracy"] <= 1 and report["settings"]["images"] == 96
    assert "Coloured noise." in errors  # the images in use are named
    assert len(load_history(report["history"])[1]) == 2


def test_distill_with_a_class_left_out_reports_its_rank(answer):
    status, out, _ = answer("distill", *QUICK, "--leave-out", "blue", "--json")
    assert status == 0 and 0 <= value_of(out)["rank2_left_out"] <= 1


def test_distill_takes_every_option(answer, tmp_path):
    status, out, _ = answer(
        "distill", "--data", "auto", "--images", 90, "--epochs", 1, "--temperature", 3, "--final-temperature", 2,
        "--alpha", 0.2, "--final-alpha", 0.3, "--schedule", "cosine", "--learning-rate", 0.004, "--batch-size", 30,
        "--label-noise", 0.1, "--labelled", 50, "--leave-out", "red", "--student", "small", "--seed", 5,
        "--data-seed", 6, "--device", "cpu", "--precision", "float32", "--threads", 1,
        "--optimizer", "adamw",
        "--fault", "dead_units", "--fault-strength", "mild", "--out", tmp_path / "mine", "--json")
    report = value_of(out)
    assert status == 0 and report["history"].startswith(str(tmp_path / "mine")) and report["threads"] == 1
    assert report["settings"] == {
        "data": "auto", "images": 90, "epochs": 1, "temperature": 3.0, "final_temperature": 2.0, "alpha": 0.2,
        "final_alpha": 0.3, "schedule": "cosine", "learning_rate": 0.004, "batch_size": 30, "label_noise": 0.1,
        "labelled": 50, "leave_out": "red", "student": "small", "seed": 5, "data_seed": 6, "device": "cpu",
        "precision": "float32", "threads": 1, "optimizer": "adamw", "changes": ["dead_units:mild"],
        "size": None, "validation_share": None, "test_share": None}


def test_distill_for_people_is_a_table_and_a_picture(answer, tmp_path):
    status, out, _ = answer("distill", *QUICK)
    assert status == 0 and "test accuracy" in out and "%" in out
    picture = next(line.split("  ")[-1].strip() for line in out.splitlines() if line.startswith("picture"))
    with open(picture, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_small_folder_is_used_whole_where_no_number_of_images_is_asked_for(answer):
    status, out, errors = answer("distill", *QUICK[2:], "--json")
    assert status == 0 and value_of(out)["settings"]["images"] == len(DATASET.pool) == 180
    assert "learns from all 180 images" in errors


def test_each_run_has_a_folder_of_its_own(answer):
    histories = {value_of(answer("distill", *QUICK, "--json")[1])["history"] for _ in range(2)}
    assert len(histories) == 2


@pytest.mark.parametrize("options, sentence", [
    (["--temperature", "0"], "temperature must be 0.001 to 1,000,000; got 0.0"),
    (["--alpha", "1.5"], "alpha must be between"),
    (["--alpha", "nan"], "alpha must be between"),
    (["--images", "5000"], "images must be "),
    (["--images", "0"], "images must be 1 or more; got 0"),
    (["--labelled", "97"], "labelled must be 0 or more; got 97. It is a whole number up to 96"),
    (["--epoch", "3"], "there is no option --epoch; did you mean --epochs?"),
    (["--tempratur=4"], "there is no option --tempratur=4; did you mean --temperature?"),
    (["--xyz"], "there is no option --xyz. --help lists"),
    (["--leave-out", "gren"], "no class named 'gren'; did you mean 'green'?"),
    (["--student", "huge"],
     "student must be one of small, default, wide, wider, tiny, tiniest, layer_norm; got 'huge'"),
    (["--schedule", "square"], "schedule must be one of linear, cosine; got 'square'"),
    (["--device", "tpu"], "device must be 'cpu', 'cuda', 'cuda:N' or 'mps'; got 'tpu'"),
    (["--device", "cuda:99"], "device 'cuda:99' was asked for and is not here"),
    (["--precision", "int4"], "precision must be auto, float32, bfloat16, float16; got 'int4'"),
    (["--data", "cifar11"], "no data set and no folder named 'cifar11'; did you mean 'cifar10'?"),
    (["--data", "cifar10"], "No CIFAR-10 in "),
    (["--fault", "dead_unit"], "got 'dead_unit'. Did you mean 'dead_units'?"),
    (["--fault", "dead_units", "--fault-strength", "huge"], "fault_strength must be mild, clear, gross; got 'huge'"),
    (["--fault", "weak_teacher", "--alpha", "1"], "weak_teacher is a fault in the soft term, which alpha"),
    (["--fault-strength", "mild"], "fault-strength must come with --fault"),
])
def test_a_bad_argument_is_a_sentence_and_exit_status_2(answer, tmp_path, options, sentence):
    status, out, errors = answer("distill", *QUICK, *options, "--json")
    complaint = errors.splitlines()[-1]
    assert status == 2 and out == "" and complaint.startswith("distill_kit: ") and sentence in complaint
    assert "Traceback" not in errors and not (tmp_path / "runs").exists()


def test_more_threads_than_cores_are_refused_before_anything_is_loaded(answer):
    status, _, errors = answer("distill", *QUICK, "--threads", 1000)
    assert status == 2 and "threads must be 1 to " in errors and "1000" in errors and "Coloured noise" not in errors


def test_a_run_that_diverges_is_exit_status_1_with_its_figures(answer):
    status, out, errors = answer("distill", *QUICK, "--learning-rate", "1e30", "--json")
    assert status == 1 and "no longer a finite number" in value_of(out)["stopped"]
    assert "no longer a finite number" in errors.splitlines()[-1] and "Traceback" not in errors


def test_a_run_folder_that_cannot_be_made_is_exit_status_1(answer, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, out, errors = answer("distill", *QUICK, "--out", tmp_path / "file", "--json")
    assert status == 1 and out == "" and "cannot write runs to" in errors.splitlines()[-1]


def test_an_interrupt_is_exit_status_130_and_keeps_the_rows(answer, monkeypatch, tmp_path):
    @contextlib.contextmanager
    def pressed(steps, what):
        def follow(row, more=""):
            if row["kind"] == "epoch":
                raise KeyboardInterrupt
        yield follow
    monkeypatch.setattr("distill_course.commands.distill.training_bar", pressed)
    status, out, errors = answer("distill", *QUICK, "--json")
    assert status == 130 and out == "" and "Interrupted" in errors.splitlines()[-1]
    (folder,) = (tmp_path / "runs").iterdir()
    assert len(load_history(folder / "history.jsonl")[1]) == 1 and (folder / "student.safetensors").is_file()


def test_distill_says_what_other_programs_took(answer, monkeypatch):
    from distill_kit.neighbours import Room
    monkeypatch.setattr(Room, "cores", (1.2, 0.85))
    report = value_of(answer("distill", *QUICK, "--json")[1])
    assert report["cores_taken"] == 1.2 and report["cores_used"] == 0.85
    assert re.search(r"other programs +kept 1\.2 of \d+ cores busy; training has had 0\.8\n",
                     answer("distill", *QUICK)[1])
    monkeypatch.setattr(Room, "cores", (0.3, 1.9))
    assert "cores_taken" not in value_of(answer("distill", *QUICK, "--json")[1])


@pytest.mark.parametrize("options, batch_size", [([], len(DATASET.pool) // 8), (["--batch-size", 50], 50),
                                                 (["--images", 100], 256)])
def test_of_few_images_that_nobody_counted_an_epoch_has_some_steps(answer, options, batch_size):
    few = ["--epochs", 1, "--student", "small", "--device", "cpu"]
    report = value_of(answer("distill", *few, *options, "--json")[1])
    assert report["settings"]["batch_size"] == batch_size


# What is wrong with a run

def test_distill_names_the_fault_that_it_was_asked_to_make(answer):
    _, out, _ = answer("distill", *QUICK, "--fault", "softmax_for_log_softmax", "--json")
    findings = value_of(out)["findings"]
    assert findings[0]["name"] == "softmax_for_log_softmax" and findings[0]["severity"] == "severe"
    assert set(findings[0]) >= {"name", "kind", "severity", "evidence", "sentence"}
    assert findings[0]["evidence"] and "the accuracy itself is not judged" in value_of(out)["harm_withheld"]


def test_a_fault_whose_strength_is_not_given_is_gross(answer):
    settings = value_of(answer("distill", *QUICK, "--fault", "t_squared_missing", "--json")[1])["settings"]
    assert settings["changes"] == ["t_squared_missing:gross"] and settings["temperature"] == 8.0
    assert not {"fault", "fault_strength"} & set(settings)


def test_distill_tells_people_what_it_found(answer):
    _, out, _ = answer("distill", *QUICK, "--fault", "layers_not_trained")
    assert "layers_not_trained: Some weights are to the bit" in out and "requires_grad" in out
