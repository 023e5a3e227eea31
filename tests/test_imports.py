"""What an import costs, which way imports go, and how large files and packages are."""
import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import distill_course
import distill_kit

ROOT = Path(distill_kit.__file__).parents[1]
PACKAGES = ("distill_kit", "distill_course")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = ("torchvision", "matplotlib", "scipy", "torchmetrics", "ipywidgets", "tqdm", "IPython", "optuna",
         "sqlalchemy")
DOOR = "distill_kit.__main__"  # `python -m distill_kit` is a contract, and its commands are the course's


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}
KIT = sorted(name for name in NAMES if name.startswith("distill_kit") and name != DOOR)


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


def test_the_kit_never_loads_the_course():
    loaded = modules_after(f"import {', '.join(KIT)}")
    assert set(KIT) <= loaded and not [name for name in loaded if name.startswith("distill_course")]


def test_the_command_line_loads_numpy_before_torch():
    """Torch swallows whatever stops the loading of numpy, a Ctrl-C too, and goes on without it."""
    program = "import sys, distill_course.commands.options; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert loaded.index("numpy") < loaded.index("torch")


@pytest.mark.parametrize("name", distill_kit.__all__)
def test_every_public_name_is_there(name):
    assert getattr(distill_kit, name) is not None and name in dir(distill_kit)


@pytest.mark.parametrize("package", [distill_kit, distill_course], ids=lambda package: package.__name__)
def test_editors_are_shown_the_names_that_are_fetched(package):
    """The imports of the stub and the names that __getattr__ knows are the same, from the same modules."""
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    shown = {alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
             and node.module for alias in node.names}
    assert shown == package._HOMES


@pytest.mark.parametrize("package", [distill_kit, distill_course], ids=lambda package: package.__name__)
def test_public_names_have_an_example(package):
    public = {name: getattr(package, name) for name in package.__all__}
    assert [name for name, value in public.items() if not isinstance(value, str) and ">>> " not in value.__doc__] == []


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'distil'"):
        _ = distill_kit.distil


def imported_by(path):
    """Names of the modules of both packages that a file imports anywhere in it, but for what only editors read."""
    package = list(path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_editors = {node for block in ast.walk(tree) if isinstance(block, ast.If) and
                   getattr(block.test, "id", "") == "TYPE_CHECKING" for node in ast.walk(block)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or node in for_editors:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in NAMES)
            continue
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])]) if node.level \
            else node.module
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            if inner in NAMES or base in NAMES:
                yield inner if inner in NAMES else base


GRAPH = {name_of(path): set(imported_by(path)) for path in MODULES}


def reached_from(*names):
    """Modules that some modules import, and those that these import, wherever in a file."""
    reached, waiting = set(), list(names)
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += GRAPH[name]
    return reached


def test_only_a_sweep_loads_its_ledger():
    """Optuna and its database take a second and more to load, and are not installed with the course."""
    loaded = modules_after(f"import {', '.join(NAMES - {DOOR})}")
    assert NAMES - {DOOR} <= loaded and not loaded & {"optuna", "sqlalchemy", "psycopg", "pyarrow"}
    lab = {name for name in NAMES if name.startswith("distill_course.lab")}
    without = reached_from("distill_course.commands.distill", "distill_course.comparisons", *lab)
    assert "distill_course.sweep.crew" in without and "distill_course.sweep.ledger" not in without


def test_only_the_door_of_the_kit_names_the_course():
    assert [name for name, imported in GRAPH.items() if name.startswith("distill_kit")
            and any(other.startswith("distill_course") for other in imported)] == [DOOR]


def test_imports_have_no_cycle():
    done, on_the_way = set(), []

    def visit(name):
        assert name not in on_the_way, f"cycle: {' -> '.join([*on_the_way[on_the_way.index(name):], name])}"
        if name in done:
            return
        on_the_way.append(name)
        for other in GRAPH[name] - {name}:
            visit(other)
        on_the_way.pop()
        done.add(name)
    for name in GRAPH:
        visit(name)
    assert len(done) == len(MODULES)


FILES = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"),
                *(ROOT / "notebooks").glob("*.py"), ROOT / "start.py"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_narrow(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300
    assert [f"line {number}: {len(line)}" for number, line in enumerate(lines, 1) if len(line) > 120] == []


def code_lines(path):
    """Numbers of the lines that hold code: no blank lines, comments or docstrings."""
    text = path.read_text(encoding="utf-8")
    documented = [node for node in ast.walk(ast.parse(text)) if isinstance(
        node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None]
    docstrings = {number for node in documented
                  for number in range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    return {number for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in layout
            for number in range(token.start[0], token.end[0] + 1)} - docstrings


def test_lines_of_code_are_counted_without_docstrings_comments_and_blank_lines(tmp_path):
    path = tmp_path / "example.py"
    path.write_text('"""A module\n\nin three lines."""\n\n# a comment\ntext = """two\nlines"""  # and another\n\n\n'
                    'def double(x):\n    """Twice x."""\n    return (x +\n            x)\n')
    assert code_lines(path) == {6, 7, 10, 12, 13}


@pytest.mark.parametrize(("package", "most"), [("distill_kit", 2_900), ("distill_course", 5_000)])
def test_the_packages_stay_thin(package, most):
    assert sum(len(code_lines(path)) for path in MODULES if path.is_relative_to(ROOT / package)) <= most
