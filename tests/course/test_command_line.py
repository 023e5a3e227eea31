"""python -m distill_kit: a JSON value or text, exit statuses, a sentence for what is wrong. What all commands share."""
import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image
from small import CLASSES
from small_commands import DATASET, QUICK, value_of

from distill_course.commands import sweep
from distill_kit.__main__ import main
from distill_kit.models import Architecture, make_model
from distill_kit.weights import save_model


@pytest.mark.parametrize("arguments", [[], ["distil"], ["distill", "--epochs", "few"], ["teacher"],
                                       ["teacher", "--train", "--evaluate"]])
def test_what_cannot_be_read_is_exit_status_2(answer, arguments):
    status, out, errors = answer(*arguments)
    assert status == 2 and out == "" and "error:" in errors


def test_a_missing_package_is_a_sentence(answer, monkeypatch):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    status, _, errors = answer("distill", *QUICK)
    assert status == 1 and "Traceback" not in errors
    assert "tqdm" in errors.splitlines()[-1] and "pip install \"distill_kit[course]\"" in errors.splitlines()[-1]


@pytest.mark.parametrize("missing, arguments", [
    ("optuna", ["--status"]), ("sqlalchemy", ["--status"]), ("pyarrow", ["--export", "table.parquet"])])
def test_a_missing_package_that_only_sweeps_need_is_a_sentence_that_names_their_extra(answer, missing, arguments,
                                                                                      monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if missing == "pyarrow":  # it is needed last
        monkeypatch.setattr(sweep, "Ledger", lambda *_, **__: SimpleNamespace(keys=[], results={}, errors={}))
    monkeypatch.setitem(sys.modules, missing, None)
    status, out, errors = answer("sweep", "--study", "some", *arguments)
    assert status == 1 and out == "" and "Traceback" not in errors and not (tmp_path / "table.parquet").exists()
    assert missing in errors.splitlines()[-1] and "pip install \"distill_kit[sweep]\"" in errors.splitlines()[-1]


def test_teacher_evaluate_answers_with_its_accuracy(answer):
    status, out, _ = answer("teacher", "--evaluate", "--json", "--device", "cpu", "--precision", "float32")
    report = value_of(out)
    assert status == 0 and {"data", "test_accuracy", "card"} <= set(report) and report["test_accuracy"] > 0.9
    status, out, _ = answer("teacher", "--evaluate", "--device", "cpu")
    assert status == 0 and "test accuracy" in out and "%" in out


def test_teacher_train_writes_weights(answer, monkeypatch, tmp_path):
    from distill_course import teacher_training
    recipe = teacher_training.TeacherRecipe(Architecture((8,), 1, 1, "max", 4, 16), epochs=1, batch_size=20)
    monkeypatch.setattr(teacher_training, "recipe_for", lambda dataset: recipe)
    status, out, _ = answer("teacher", "--train", "--device", "cpu", "--out", tmp_path / "t.safetensors", "--json")
    report = value_of(out)
    assert status == 0 and {"test_accuracy", "seconds", "weights", "card"} <= set(report)
    assert (tmp_path / "t.safetensors").is_file() and report["weights"] == str(tmp_path / "t.safetensors")
    status, _, errors = answer("teacher", "--train", "--epochs", "0", "--out", tmp_path / "t.safetensors")
    assert status == 2 and "epochs must be 1 or more; got 0" in errors


@pytest.mark.parametrize("option, value, sentence", [
    ("--epochs", "0", "epochs must be 1 or more; got 0"), ("--seed", "-1", "seed must be 0 or more; got -1"),
    ("--learning-rate", "-1", "learning_rate must be a finite number above 0; got -1.0"),
    ("--device", "tpu", "device must be 'cpu'"), ("--precision", "int4", "precision must be auto")])
def test_a_bad_argument_of_teacher_train_leaves_no_folder_behind(answer, tmp_path, option, value, sentence):
    status, _, errors = answer("teacher", "--train", option, value)
    assert status == 2 and sentence in errors and not (tmp_path / "runs").exists()


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


def own_folder(root, counts=(("few", 4), ("many", 20)), size=20):
    for name, count in counts:
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (size, size + number), (9 * number, 0, 0)).save(root / name / f"{number}.png")
    (root / counts[0][0] / "notes.txt").touch()
    return root


def test_case_26_data_says_what_it_sees_in_a_folder(answer, tmp_path):
    own = own_folder(tmp_path / "own")
    status, out, _ = answer("data", own, "--size", "16", "--test-share", "0.5", "--json")
    report = value_of(out)
    assert status == 0 and report["counts"] == {"few": [1, 1, 2], "many": [8, 2, 10]}
    assert (report["pool"], report["validation"], report["test"]) == (9, 3, 12)
    assert report["size"] == 16 and report["sides"] == [20, 39] and report["scaled"] is True
    assert report["formats"] == {"PNG": 24} and report["modes"] == {"RGB": 24}
    assert report["passed_over"] == {".txt files": 1} and len(report["layout"]) == 2
    status, out, _ = answer("data", "--data", own)
    assert status == 0 and [line.split() for line in out.splitlines()[-3:]] == [
        ["all", "16,", "3,", "5"], ["few", "2,", "1,", "1"], ["many", "14,", "2,", "4"]]
    assert ".txt files (1)" in out and "PNG 24" in out and "20 to 39 pixels" in out


def test_data_shows_the_largest_and_the_smallest_of_many_classes(answer, tmp_path):
    own = own_folder(tmp_path / "own", [(f"class{number:02}", 3 + number) for number in range(21)] + [("many", 30)])
    names = [line.split()[0] for line in answer("data", own)[1].splitlines()]
    assert names[-11:] == ["many", "class20", "class19", "class18", "class17", "...",
                           "class04", "class03", "class02", "class01", "class00"]


@pytest.mark.parametrize("arguments, message", [
    (["data", "here", "--data", "there"], "data must be given once; got 'here' and --data 'there'"),
    (["data", "shapes10", "--size", "16"], "size is for folders of your own images; leave it out with shapes10."),
    (["teacher", "--train", "--size", "5"], "size must be 8 to 96 pixels, a whole number; got 5"),
    (["distill", "--test-share", "2"], "test_share must be above 0 and below 1; got 2.0")])
def test_what_cannot_be_asked_of_a_folder_is_exit_status_2(answer, monkeypatch, arguments, message):
    monkeypatch.undo()
    status, _, errors = answer(*arguments)
    assert status == 2 and message in errors.splitlines()[-1]


def test_case_13_balanced_accuracy_stands_beside_accuracy(answer, tmp_path):
    own = own_folder(tmp_path / "own", (("blue", 6), ("green", 6), ("grey", 6), ("red", 25)), size=16)
    status, out, _ = answer("teacher", "--evaluate", "--data", own, "--size", "16", "--device", "cpu", "--json")
    report = value_of(out)
    assert status == 0 and report["test_accuracy"] != report["test_balanced_accuracy"]
    assert "in the mean over the classes" in answer("teacher", "--evaluate", "--data", own, "--device", "cpu")[1]
    quick = [*QUICK, "--data", own, "--images", "20"]
    report = value_of(answer("distill", *quick, "--json")[1])
    assert {"val_balanced_accuracy", "test_balanced_accuracy"} < set(report) and report["settings"]["size"] is None
    out = answer("distill", *quick)[1]
    assert "in the mean over the classes" in out and "after each epoch" not in out


def test_doctor_answers_with_all_its_keys(answer, monkeypatch):
    monkeypatch.setattr("distill_course.commands.doctor.slider_run_seconds", lambda *_: 5.5)
    status, out, _ = answer("doctor", "--json", "--device", "cpu")
    report = value_of(out)
    assert {"ok", "problems", "python", "packages", "device", "precision", "memory", "data",
            "slider_run_seconds"} <= set(report)
    assert status == (0 if report["ok"] else 1)
    assert "a quick run" in answer("doctor", "--device", "cpu")[1]


def test_doctor_that_finds_a_problem_is_exit_status_1(answer, monkeypatch):
    monkeypatch.setattr("distill_course.commands.doctor.slider_run_seconds", lambda *_: 5.5)
    monkeypatch.setattr("distill_course.commands.doctor.LEAST_MEMORY", 1e18)
    status, out, _ = answer("doctor", "--json", "--device", "cpu")
    assert status == 1 and value_of(out)["ok"] is False and "memory" in value_of(out)["problems"][-1]


def test_faults_are_listed(answer):
    status, out, _ = answer("faults", "--json")
    listed = value_of(out)
    assert status == 0 and len(listed) > 16
    assert all(set(fault) == {"name", "sentence", "findings", "needs_probe", "harmless"} for fault in listed)
    assert "t_squared_missing" in answer("faults")[1]


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "distill_kit", *arguments], capture_output=True, text=True)


def test_as_a_process_a_bad_argument_is_a_line_without_traceback(little_machine):
    done = command("distill", "--temperature", "0", "--json")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("distill_kit: temperature must be 0.001 to 1,000,000; got 0.0. ")
    assert done.stderr.count("\n") == 1


def test_as_a_process_auto_says_that_it_took_shapes_and_how_to_get_cifar10(little_machine):
    done = command("data", "--json")
    assert done.returncode == 0 and value_of(done.stdout)["name"] == "shapes10"
    assert "No CIFAR-10 in" in value_of(done.stdout)["notice"] and "--download" in value_of(done.stdout)["notice"]


def test_data_takes_a_folder_in_either_way_and_once(tmp_path, capsys):
    for arguments in (["data", str(tmp_path)], ["data", "--data", str(tmp_path)]):
        assert main(arguments) == 2 and "holds no folder; an image folder needs" in capsys.readouterr().err
    assert main(["data", str(tmp_path), "--data", "shapes10"]) == 2
    assert "data must be given once; got " in capsys.readouterr().err


def test_an_interrupt_while_torch_is_loaded_is_a_sentence():
    script = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "torch":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from distill_kit.__main__ import main
sys.exit(main(["faults"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr == "distill_kit: Interrupted. What was finished is kept.\n"


def test_weights_go_with_evaluate_and_no_image_is_loaded_to_say_so(answer, monkeypatch):
    monkeypatch.setattr("distill_kit.data.load_dataset", lambda *_, **__: pytest.fail("images were loaded"))
    status, _, errors = answer("teacher", "--train", "--weights", "t.safetensors")
    assert status == 2 and errors.startswith("distill_kit: --weights goes with --evaluate")
