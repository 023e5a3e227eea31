"""What an import costs, and which way imports go."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

import distill_kit

PACKAGE = Path(distill_kit.__file__).parent
HEAVY = ("torchvision", "matplotlib", "scipy", "torchmetrics", "ipywidgets", "tqdm", "IPython")
# A module may import those before it, along the way of the data.
ORDER = ("openmp", "data.imageset", "files", "schedules", "data.cache", "data.folder", "data.official", "data.places",
         "data.download", "data.human", "shapes", "data", "losses", "devices", "models", "optimizers", "history",
         "weights", "batches", "logit_store", "signals", "views", "neighbours", "recording", "training", "changes",
         "diagnosis.loss_variants", "diagnosis.finding", "diagnosis.causes", "diagnosis.needs", "diagnosis.reading",
         "diagnosis.identities", "diagnosis.harm", "diagnosis.curves", "diagnosis.probed", "diagnosis.reference",
         "diagnosis.diagnose", "diagnosis.probes", "diagnosis.faults", "diagnosis.game", "diagnosis", "teachers",
         "run", "many", "statistics", "comparisons", "people", "bench.growth", "bench.loops", "bench", "doctor", "plotting",
         "panels", "gallery", "notebook", "lab.orders", "lab.measures", "lab.experiments", "lab.share",
         "lab.softening", "lab.stored", "lab.session", "lab.words", "lab.svg", "lab.picture", "lab.export",
         "lab.controls", "lab", "exercises.record", "exercises.verdict", "exercises.judge", "exercises.predict",
         "exercises.temperature", "exercises.training_loop", "exercises.alpha", "exercises.progressive",
         "exercises.convergence", "exercises.your_own", "exercises", "command_line", "command_line.commands",
         "command_line.options", "__main__")


def modules_after(statement, beside="sys"):
    """What a statement in a fresh process loads beside what `import beside` does."""
    program = f"import sys, {beside}; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_else():
    loaded = modules_after("import distill_kit; distill_kit.REPOSITORY")
    assert "torch" not in loaded and not loaded & set(HEAVY)


def test_the_loss_the_loop_and_the_data_load_nothing_heavy_but_torch():
    loaded = modules_after("from distill_kit import distillation_loss, train_student_with_distillation, load_dataset",
                           beside="torch")
    assert "distill_kit.training" in loaded and not loaded & set(HEAVY)


@pytest.mark.parametrize("name", distill_kit.__all__)
def test_every_public_name_is_there(name):
    assert getattr(distill_kit, name) is not None and name in dir(distill_kit)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'distil'"):
        distill_kit.distil


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def local_imports(path):
    """The modules of the package that a file imports anywhere in it, as names within the package."""
    names = {module_name(other) for other in PACKAGE.rglob("*.py")}
    folder = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
            base = ".".join(part for part in base if part)
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                yield inner if inner in names else base


def test_imports_go_one_way():
    place = {name: number for number, name in enumerate(ORDER)}
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        name = module_name(path)
        for imported in local_imports(path):
            if imported and name in place and imported in place and place[imported] >= place[name]:
                wrong.append(f"{name} imports {imported}")
    assert not wrong


def test_imports_have_no_cycle():
    graph = {module_name(path): set(local_imports(path)) for path in PACKAGE.rglob("*.py")}
    graph.pop("", None)  # the package itself fetches its public names when they are asked for
    done, on_the_way = set(), []

    def visit(name):
        assert name not in on_the_way, f"cycle: {' -> '.join([*on_the_way[on_the_way.index(name):], name])}"
        if name in done or name not in graph:
            return
        on_the_way.append(name)
        for other in graph[name]:
            visit(other)
        on_the_way.pop()
        done.add(name)
    for name in graph:
        visit(name)


def test_every_module_has_a_place_in_the_order():
    assert {module_name(path) for path in PACKAGE.rglob("*.py")} - {""} == set(ORDER)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=module_name)
def test_files_are_short_and_narrow(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300
    assert [f"line {number}: {len(line)}" for number, line in enumerate(lines, 1) if len(line) > 120] == []
