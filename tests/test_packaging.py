"""What is installed: the lists of packages against what is imported, and a wheel that is built from them."""
import ast
import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("kit", "course", "sweep", "dev")
NAMES = {"PIL": "pillow", "IPython": "ipykernel", "tomllib": "tomli"}  # module -> the listed package that brings it
OPTIONAL = {"certifi"}  # downloads do without it
ASKED_FOR = {"timm", "onnx", "onnxruntime", "onnxscript"}  # a teacher or a format that needs one says what to install


def lines_of(name):
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def listed(*parts):
    return {Requirement(line).name for part in parts for line in lines_of(f"requirements/{part}.txt")}


def imported(folder):
    """The names of third-party packages that the modules of a folder import anywhere."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names] \
        + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    tops = {module.partition(".")[0] for module in modules} - {"distill_kit", "distill_course"}
    return {NAMES.get(top, top) for top in tops - set(sys.stdlib_module_names)}


# the lists

def test_requirements_is_the_union_of_the_lists():
    included = [line.partition(" ")[2] for line in lines_of("requirements.txt")]
    assert included == [f"requirements/{part}.txt" for part in PARTS]
    assert sorted(path.stem for path in (ROOT / "requirements").iterdir()) == sorted(PARTS)


def test_no_package_is_listed_twice():
    lines = [Requirement(line).name for part in PARTS for line in lines_of(f"requirements/{part}.txt")]
    assert len(lines) == len(set(lines))


def test_what_the_kit_imports_is_in_its_list():
    assert imported("distill_kit") <= listed("kit") | OPTIONAL


def test_what_the_course_imports_is_in_its_list_or_the_kits():
    assert imported("distill_course") <= listed("kit", "course", "sweep") | ASKED_FOR


def test_the_kits_list_holds_nothing_that_is_not_imported():
    assert listed("kit") <= imported("distill_kit") | imported("distill_course")


def test_the_build_tools_of_the_tests_are_those_that_a_build_asks_for():
    words = next(line for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
                 if line.startswith("requires ="))
    assert [line for line in lines_of("requirements/dev.txt") if line.startswith("setuptools")] == [words.split('"')[1]]


# the wheel

@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a source distribution, which therefore holds all that a build needs."""
    if int(importlib.metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("a build needs a newer setuptools: pip install -r requirements.txt")
    source = tmp_path_factory.mktemp("source")
    for name in ("distill_kit", "distill_course", "tests", "requirements"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-c", "from setuptools import build_meta; build_meta.build_sdist('.')"], cwd=source,
                   check=True, capture_output=True)
    (archive,) = source.glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
                    "--wheel-dir", source / "built", archive], check=True, capture_output=True)
    (built,) = (source / "built").iterdir()
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_the_wheel_holds_both_packages_with_their_assets_and_no_more(wheel):
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {path.relative_to(ROOT).as_posix() for package in ("distill_kit", "distill_course")
                for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert files == expected
    assert {"distill_kit/assets/teacher-cifar10.safetensors", "distill_course/assets/gallery.json"} <= files


def test_the_wheel_asks_for_what_the_kit_needs_and_has_extras(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(wheel.read(name))
    needs = [Requirement(words) for words in metadata.get_all("Requires-Dist")]
    extra = {part: {need.name for need in needs if f'extra == "{part}"' in str(need.marker)} for part in PARTS[1:]}
    assert sorted(metadata.get_all("Provides-Extra")) == sorted(PARTS[1:])
    assert extra == {part: listed(part) for part in PARTS[1:]}
    always = {need.name for need in needs if "extra" not in str(need.marker)}
    assert always == listed("kit")
    assert not always & {"jupyterlab", "ipywidgets", "ipykernel", "pytest", "nbval", "jupytext", "scipy", "torchvision"}
