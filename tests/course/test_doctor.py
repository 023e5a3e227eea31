import importlib.metadata

import pytest
import torch

from distill_course.commands import doctor


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "no-data"))
    measure = doctor.slider_run_seconds
    monkeypatch.setattr(doctor, "slider_run_seconds", lambda device, precision: 5.55)
    return measure


def test_a_machine_that_is_ready_has_no_problems(tmp_path):
    report = doctor.examine("cpu")
    assert report["ok"] and report["problems"] == [] and report["slider_run_seconds"] == pytest.approx(5.5, abs=0.1)
    assert report["device"] == "cpu" and report["precision"] in ("float32", "bfloat16")
    assert report["memory"]["total"] >= report["memory"]["available"] > 0
    assert report["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert list(tmp_path.iterdir()) == []  # looking leaves nothing behind


def test_what_keeps_cores_from_this_process_is_told(monkeypatch):
    from distill_course import machine
    from distill_kit import openmp
    report = doctor.examine("cpu")
    assert report["cores"] >= 1 and report["cores_taken"] >= 0 and report["threads"] == torch.get_num_threads()
    monkeypatch.setattr(openmp, "cpu_quota", lambda: 1.0)
    assert doctor.examine("cpu")["cpu_quota"] == 1.0
    monkeypatch.setattr(machine, "cpu_quota", lambda: 1.0)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert machine.threads_in_words(1, 1.3) == (
        "1 thread; this container may use 1 of 2 cores; other programs keep 1.3 of 2 cores busy")


def test_where_cifar10_is_missing_it_says_how_to_get_it():
    assert "Shapes-10 is used" in doctor.data_at_hand() and "data --download" in doctor.data_at_hand()


def test_cifar10_at_hand_is_named(tmp_path):
    (tmp_path / "no-data" / "cifar10" / "train").mkdir(parents=True)
    assert doctor.data_at_hand() == f"CIFAR-10 (folder) at {tmp_path / 'no-data' / 'cifar10'}"


@pytest.fixture
def lists(monkeypatch, tmp_path):
    """The lists of a checkout, with these lines."""
    def write(**lines):
        monkeypatch.setattr(doctor, "checkout", lambda: tmp_path)
        (tmp_path / "requirements").mkdir()
        for part in ("kit", "course", "sweep"):
            (tmp_path / "requirements" / f"{part}.txt").write_text(
                "# what it needs\n\n" + "\n".join(lines.get(part, [])))
    return write


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """An installed package, no checkout beside it, that asks for these."""
    def ask(*lines):
        monkeypatch.setattr(doctor, "checkout", lambda: None)
        monkeypatch.setattr(doctor.importlib.metadata, "requires", {"distill_kit": list(lines)}.get)
    return ask


def test_in_a_checkout_a_missing_package_is_a_problem_with_its_mend(lists):
    lists(kit=["torch>=2.4  # why", "no-such-kit>=1  # why"], course=["no-such-course!=7.0.*"])
    report = doctor.examine("cpu")
    assert not report["ok"] and report["notes"] == [] and report["packages"] == {
        "torch": importlib.metadata.version("torch"), "no-such-kit": None, "no-such-course": None}
    assert report["problems"] == ["The kit needs no-such-kit>=1: pip install -r requirements.txt",
                                  "The course needs no-such-course!=7.0.*: pip install -r requirements.txt"]


def test_in_a_checkout_what_only_sweeps_need_is_a_note(lists):
    lists(kit=["torch>=2.4"], sweep=["no-such-sweep>=4.3  # why", "torch>=2.4"])
    report = doctor.examine("cpu")
    assert report["ok"] and list(report["packages"]) == ["torch", "no-such-sweep"]
    assert report["notes"] == ["The sweep needs no-such-sweep>=4.3: pip install -r requirements.txt"]


def test_where_only_the_kit_was_installed_the_course_is_a_note(installed):
    installed("torch>=2.4", 'no-such-course; extra == "course"', 'scipy; extra == "course"',
              'no-such-sweep[binary]>=2; extra == "sweep"', 'no-such; extra == "dev"')
    report = doctor.examine("cpu")
    assert report["ok"] and report["problems"] == [] and report["packages"]["no-such-course"] is None
    assert report["notes"] == ['The course needs no-such-course: pip install "distill_kit[course]"',
                               'The sweep needs no-such-sweep>=2: pip install "distill_kit[sweep]"']
    assert list(report["packages"]) == ["torch", "no-such-course", "scipy", "no-such-sweep"]


def test_where_the_kit_lacks_something_it_is_a_problem_there_too(installed):
    installed("torch>=999", "tqdm", 'no-such-kit; python_version < "3"')
    here = importlib.metadata.version("torch")
    assert doctor.examine("cpu")["problems"] == [f"The kit needs torch>=999 (here: {here}): pip install distill_kit"]


def test_every_package_of_kit_course_and_sweep_is_looked_for():
    assert {"torch", "psutil", "ipywidgets", "scipy", "optuna"} <= set(doctor.examine("cpu")["packages"])
    assert "pytest" not in doctor.examine("cpu")["packages"]  # who learns needs no tests


def test_a_folder_that_cannot_be_written_is_a_problem(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "file" / "runs"))
    (problem,) = doctor.examine("cpu")["problems"]
    assert problem.startswith("Cannot write to ") and "Set DISTILL_KIT_RUNS to a folder of yours" in problem


def test_too_little_memory_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e18)
    (problem,) = doctor.examine("cpu")["problems"]
    assert "GB of memory; the course needs" in problem


def test_a_sliders_run_is_estimated_from_steps_that_are_made(quick):
    before = torch.random.get_rng_state()
    assert 0.2 < quick(torch.device("cpu"), "float32", budget=0.1) < 1000
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="device must be .*; got 'tpu'"):
        doctor.examine("tpu")
