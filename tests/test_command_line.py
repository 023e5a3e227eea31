"""python -m distill_kit: one JSON value or text, exit statuses, one sentence for what is wrong."""
import json
import re
import subprocess
import sys

import pytest
from small import CLASSES, ColourTeacher, coloured_dataset

from distill_kit.__main__ import main
from distill_kit.history import load_history
from distill_kit.models import Architecture, make_model
from distill_kit.weights import save_model

DATASET = coloured_dataset()
QUICK = ["--images", "96", "--epochs", "2", "--batch-size", "16", "--student", "small", "--device", "cpu",
         "--precision", "float32"]
KEYS = {"val_accuracy", "test_accuracy", "seconds", "teacher_seconds", "load_seconds", "images_per_second", "precision",
        "history"}


@pytest.fixture(autouse=True)
def little(monkeypatch, tmp_path):
    """Little images and a teacher that knows them, in place of what --data auto finds; runs in a folder of the test."""
    from distill_kit import data, teachers
    real = data.load_dataset
    monkeypatch.setattr(data, "load_dataset",
                        lambda name="auto", **options: DATASET if name == "auto" else real(name, **options))
    monkeypatch.setattr(teachers, "load_teacher", lambda dataset, path=None: (ColourTeacher(), {"recipe": "none"}))
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "no-data"))
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def answer(capsys):
    """Runs a command; gives its exit status, standard output and standard error."""
    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # from argparse
            status = end.code
        return status, *capsys.readouterr()
    return run


def value_of(text):
    """The one JSON value that the text is, by the strict rules of JSON."""
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=pytest.fail)


def test_distill_answers_with_one_json_value(answer):
    status, out, errors = answer("distill", *QUICK, "--json")
    report = value_of(out)
    assert status == 0 and KEYS <= set(report) and "rank2_left_out" not in report
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
        "precision": "float32", "threads": 1, "optimizer": "adamw", "changes": [], "fault": "dead_units", "fault_strength": "mild"}


def test_distill_for_people_is_a_table_and_a_picture(answer, tmp_path):
    status, out, _ = answer("distill", *QUICK)
    assert status == 0 and "test accuracy" in out and "%" in out
    picture = next(line.split("  ")[-1].strip() for line in out.splitlines() if line.startswith("picture"))
    with open(picture, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_each_run_has_a_folder_of_its_own(answer):
    histories = {value_of(answer("distill", *QUICK, "--json")[1])["history"] for _ in range(2)}
    assert len(histories) == 2


@pytest.mark.parametrize("options, sentence", [
    (["--temperature", "0"], "temperature must be a finite number above 0; got 0.0"),
    (["--alpha", "1.5"], "alpha must be between"),
    (["--alpha", "nan"], "alpha must be between"),
    (["--images", "5000"], "images must be "),
    (["--images", "0"], "images must be 1 or more; got 0"),
    (["--labelled", "97"], "labelled must be 0 to 96"),
    (["--epoch", "3"], "there is no option --epoch; did you mean --epochs?"),
    (["--tempratur=4"], "there is no option --tempratur=4; did you mean --temperature?"),
    (["--xyz"], "there is no option --xyz. --help lists"),
    (["--leave-out", "gren"], "no class named 'gren'; did you mean 'green'?"),
    (["--student", "huge"], "student must be one of small, default, wide, wider, tiny, tiniest, layer_norm; got 'huge'"),
    (["--schedule", "square"], "schedule must be one of linear, cosine; got 'square'"),
    (["--device", "tpu"], "device must be 'cpu', 'cuda', 'cuda:N' or 'mps'; got 'tpu'"),
    (["--device", "cuda:99"], "device 'cuda:99' was asked for and is not here"),
    (["--precision", "int4"], "precision must be auto, float32, bfloat16, float16; got 'int4'"),
    (["--data", "cifar11"], "no data set and no folder named 'cifar11'; did you mean 'cifar10'?"),
    (["--data", "cifar10"], "No CIFAR-10 in "),
])
def test_a_bad_argument_is_one_sentence_and_exit_status_2(answer, tmp_path, options, sentence):
    status, out, errors = answer("distill", *QUICK, *options, "--json")
    complaint = errors.splitlines()[-1]
    assert status == 2 and out == "" and complaint.startswith("distill_kit: ") and sentence in complaint
    assert "Traceback" not in errors and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [[], ["distil"], ["distill", "--epochs", "few"], ["teacher"],
                                       ["teacher", "--train", "--evaluate"]])
def test_what_cannot_be_read_is_exit_status_2(answer, arguments):
    status, out, errors = answer(*arguments)
    assert status == 2 and out == "" and "error:" in errors


def test_a_run_that_diverges_is_exit_status_1_with_its_figures(answer):
    status, out, errors = answer("distill", *QUICK, "--learning-rate", "1e30", "--json")
    assert status == 1 and "no longer a finite number" in value_of(out)["stopped"]
    assert "no longer a finite number" in errors.splitlines()[-1] and "Traceback" not in errors


def test_a_run_folder_that_cannot_be_made_is_exit_status_1(answer, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, out, errors = answer("distill", *QUICK, "--out", tmp_path / "file", "--json")
    assert status == 1 and out == "" and "cannot write runs to" in errors.splitlines()[-1]


def test_an_interrupt_is_exit_status_130_and_keeps_the_rows(answer, monkeypatch, tmp_path):
    from distill_kit.command_line.commands import Bar

    def press(self, row, more):
        if row["kind"] == "epoch":
            raise KeyboardInterrupt
    monkeypatch.setattr(Bar, "follow", press)
    status, out, errors = answer("distill", *QUICK, "--json")
    assert status == 130 and out == "" and "Interrupted" in errors.splitlines()[-1]
    (folder,) = (tmp_path / "runs").iterdir()
    assert len(load_history(folder / "history.jsonl")[1]) == 1 and (folder / "student.safetensors").is_file()


def test_a_missing_package_is_one_sentence(answer, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    status, _, errors = answer("distill", *QUICK)
    assert status == 1 and "pip install -r requirements.txt" in errors.splitlines()[-1] and "Traceback" not in errors


def test_teacher_evaluate_answers_with_its_accuracy(answer):
    status, out, _ = answer("teacher", "--evaluate", "--json", "--device", "cpu", "--precision", "float32")
    report = value_of(out)
    assert status == 0 and {"data", "test_accuracy", "card"} <= set(report) and report["test_accuracy"] > 0.9
    status, out, _ = answer("teacher", "--evaluate", "--device", "cpu")
    assert status == 0 and "test accuracy" in out and "%" in out


def test_teacher_train_writes_weights(answer, monkeypatch, tmp_path):
    from distill_kit import teachers
    recipe = teachers.TeacherRecipe(Architecture((8,), 1, 1, "max", 4, 16), epochs=1, batch_size=20)
    monkeypatch.setattr(teachers, "recipe_for", lambda dataset: recipe)
    status, out, _ = answer("teacher", "--train", "--device", "cpu", "--out", tmp_path / "t.safetensors", "--json")
    report = value_of(out)
    assert status == 0 and {"test_accuracy", "seconds", "weights", "card"} <= set(report)
    assert (tmp_path / "t.safetensors").is_file() and report["weights"] == str(tmp_path / "t.safetensors")
    status, _, errors = answer("teacher", "--train", "--epochs", "0", "--out", tmp_path / "t.safetensors")
    assert status == 2 and "epochs must be 1 or more; got 0" in errors


def test_weights_that_are_not_a_teachers_are_exit_status_2(answer, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr("distill_kit.data.load_dataset", lambda *_, **__: DATASET)
    status, _, errors = answer("distill", *QUICK, "--teacher", tmp_path / "nowhere.safetensors")
    assert status == 2 and "no weights at" in errors.splitlines()[-1]
    other = make_model(Architecture((8,), image_size=16, num_classes=4), DATASET.pool.images)
    save_model(other, tmp_path / "other.safetensors", {"classes": ["a", "b", "c", "d"]})
    status, _, errors = answer("distill", *QUICK, "--teacher", tmp_path / "other.safetensors")
    assert status == 2 and "knows the classes a, b, c, d" in errors.splitlines()[-1]


def test_data_says_what_is_at_hand(answer):
    status, out, _ = answer("data", "--json")
    report = value_of(out)
    assert status == 0 and report["classes"] == list(CLASSES)
    assert (report["pool"], report["validation"], report["test"]) == tuple(
        len(part) for part in (DATASET.pool, DATASET.validation, DATASET.test))
    assert "Coloured noise." in report["notice"] and "Coloured noise." in answer("data")[1]


def test_doctor_answers_with_all_its_keys(answer, monkeypatch):
    monkeypatch.setattr("distill_kit.doctor.slider_run_seconds", lambda *_: 5.5)
    status, out, _ = answer("doctor", "--json", "--device", "cpu")
    report = value_of(out)
    assert {"ok", "problems", "python", "packages", "device", "precision", "memory", "data",
            "slider_run_seconds"} <= set(report)
    assert status == (0 if report["ok"] else 1)
    assert "a quick run" in answer("doctor", "--device", "cpu")[1]


def test_doctor_that_finds_a_problem_is_exit_status_1(answer, monkeypatch):
    monkeypatch.setattr("distill_kit.doctor.slider_run_seconds", lambda *_: 5.5)
    monkeypatch.setattr("distill_kit.doctor.LEAST_MEMORY", 1e18)
    status, out, _ = answer("doctor", "--json", "--device", "cpu")
    assert status == 1 and value_of(out)["ok"] is False and "memory" in value_of(out)["problems"][-1]


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "distill_kit", *arguments], capture_output=True, text=True)


def test_as_a_process_a_bad_argument_is_one_line_without_traceback():
    done = command("distill", "--temperature", "0", "--json")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "distill_kit: temperature must be a finite number above 0; got 0.0\n"


def test_as_a_process_auto_says_that_it_took_shapes_and_how_to_get_cifar10():
    done = command("data", "--json")
    assert done.returncode == 0 and value_of(done.stdout)["name"] == "shapes10"
    assert "No CIFAR-10 in" in value_of(done.stdout)["notice"] and "--download" in value_of(done.stdout)["notice"]


# What is wrong with a run

def test_distill_names_the_fault_that_it_was_asked_to_make(answer, tmp_path):
    _, out, _ = answer("distill", *QUICK, "--fault", "softmax_for_log_softmax", "--json")
    findings = value_of(out)["findings"]
    assert findings[0]["name"] == "softmax_for_log_softmax" and findings[0]["severity"] == "severe"
    assert set(findings[0]) >= {"name", "kind", "severity", "evidence", "sentence"}
    assert findings[0]["evidence"] and "the accuracy itself is not judged" in value_of(out)["harm_withheld"]


def test_distill_tells_people_what_it_found(answer):
    _, out, _ = answer("distill", *QUICK, "--fault", "layers_not_trained")
    assert "layers_not_trained: Some weights are to the bit" in out and "requires_grad" in out


def test_faults_are_listed(answer):
    status, out, _ = answer("faults", "--json")
    listed = value_of(out)
    assert status == 0 and len(listed) > 16
    assert all(set(fault) == {"name", "sentence", "findings", "needs_probe", "harmless"} for fault in listed)
    assert "t_squared_missing" in answer("faults")[1]


def test_diagnose_reads_a_history_written_by_hand(answer, tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps({"train_loss": 2.302, "val_loss": 2.303, "val_accuracy": 0.1}) + "\n"
                            for _ in range(5)))
    status, out, _ = answer("diagnose", file, "--json")
    assert status == 0 and [one["name"] for one in value_of(out)["findings"]] == ["both_stagnate"]
    assert "harm_withheld" in value_of(out) and "harm_withheld" not in value_of(
        answer("diagnose", file, "--data", "cifar10", "--json")[1])
    status, out, _ = answer("diagnose", file)
    assert status == 0 and "both_stagnate" in out and "columns read" in out and "train_loss, val_loss" in out


@pytest.mark.parametrize("row, sentence", (
    ({"train loss": 2.0, "validation loss": 2.1}, "did you mean 'val_loss'?"),
    ({"loss": 2.0}, "Column 'loss' is not read; did you mean 'train_loss'?"),
    ({"train_loss": "nan"}, "train_loss must be a number, or null where it is none; epoch 1 has 'nan'"),
    ({"train_loss": 2.0, "val_accuracy": 52.0}, "val_accuracy must be a share from 0 to 1; epoch 1 has 52. Divide by"),
    ({"epoch": 1, "colour": "red"}, "the history must have a column that is known")))
def test_diagnose_does_not_call_right_what_it_cannot_read(answer, tmp_path, row, sentence):
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(row) + "\n")
    status, _, error = answer("diagnose", file)
    assert status == 2 and sentence in error


def test_diagnose_reads_what_it_knows_and_names_what_was_meant(answer, tmp_path):
    rows = [{"train_loss": 2.0 / epoch, "val_acc": 0.1 * epoch, "note": "mine"} for epoch in range(1, 5)]
    (tmp_path / "history.jsonl").write_text("\n\n".join(map(json.dumps, rows)))  # blank lines, and found in a folder
    told = value_of(answer("diagnose", tmp_path, "--json")[1])
    assert told["columns"] == ["train_loss"]
    assert told["remarks"] == ["Column 'val_acc' is not read; did you mean 'val_accuracy'?"]
    assert "data must be one of cifar10, shapes10" in answer("diagnose", tmp_path, "--data", "imagenet")[2]


def test_a_mistyped_fault_is_told_what_was_meant(answer):
    status, _, error = answer("distill", "--fault", "dead_unit")
    assert status == 2 and "Did you mean 'dead_units'?" in error


@pytest.mark.parametrize("text, sentence", (("", "is empty"), ("[1, 2]\n", "line 1"), ("oh no\n", "line 1")))
def test_diagnose_says_what_is_wrong_with_a_file(answer, tmp_path, text, sentence):
    file = tmp_path / "mine.jsonl"
    file.write_text(text)
    status, _, error = answer("diagnose", file)
    assert status == 2 and sentence in error
    assert answer("diagnose", tmp_path / "nowhere")[0] == 2


def test_distill_says_what_other_programs_took_and_the_threads_that_were_chosen_beside_them(answer, monkeypatch):
    from distill_kit import run
    from distill_kit.neighbours import Choice
    monkeypatch.setattr(run, "choose_threads", lambda *given: Choice(1, 1.2, 0.1))
    report = value_of(answer("distill", *QUICK, "--json")[1])
    assert report["threads"] == 1 and report["cores_taken"] == 1.2 and report["cores_used"] > 0
    assert re.search(r"other programs +kept 1\.2 of \d+ cores busy when it began; so it trained in 1 thread, and has had "
                     r"\d+\.\d cores", answer("distill", *QUICK)[1])


def test_more_threads_than_cores_are_refused_before_anything_is_loaded(answer):
    status, _, errors = answer("distill", *QUICK, "--threads", 1000)
    assert status == 2 and "threads must be 1 to " in errors and "1000" in errors and "Coloured noise" not in errors
