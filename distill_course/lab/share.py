"""Words that bring a run back: a short code for any lab, a command line, a dozen lines of Python."""
import shlex

from distill_kit.settings import Settings

from ..diagnosis.faults import fault_of
from ..settings import changed
from ..shipped import read_table
from .experiments import EXPERIMENTS, Experiment


def code_of(experiment: Experiment, values: dict, seed: int) -> str:
    """Write a code: the experiment, every control, the seed.

        >>> code_of(EXPERIMENTS["alpha"], {"alpha": 0.5, "label_noise": 0.4}, seed=3)
        'alpha/alpha=0.5/label_noise=0.4/seed=3'
    """
    return "/".join([experiment.name, *(f"{name}={value}" for name, value in values.items()), f"seed={seed}"])


def read_code(code: str) -> tuple[Experiment, dict, int, dict[str, tuple[str, ...]]]:
    """Read a code: experiment, values of its controls, seed, and which controls a lesson hides or locks (hide=alpha).

    Raises ValueError, naming the part that cannot be read and what it may be.
    """
    name, *parts = code.strip().split("/")
    if name not in EXPERIMENTS:
        raise ValueError(f"a code begins with one of {', '.join(EXPERIMENTS)}; got {name!r}")
    experiment = EXPERIMENTS[name]
    controls = {control.name: control for control in experiment.controls}
    values, seed, lesson = {}, 0, {"hide": (), "lock": ()}
    for part in parts:
        key, _, text = part.partition("=")
        if key in lesson:
            if unknown := [control for control in text.split(",") if control not in controls]:
                raise ValueError(f"{key} must name controls of {name} ({', '.join(controls)}); got {unknown[0]!r}")
            lesson[key] = tuple(text.split(","))
        elif key == "seed":
            seed = read_seed(text)
        elif key in controls:
            values[key] = controls[key].read(text)
        else:
            raise ValueError(f"{key!r} is not a part of a code for {name}: {', '.join([*controls, 'seed', *lesson])}")
    return experiment, values, seed, lesson


def read_seed(text: str) -> int:
    """Read a number that torch can begin its random numbers with. Raises ValueError for what is none."""
    if not (text.strip().isdecimal() and len(text) < 99 and int(text) < 2**63):
        raise ValueError(f"seed must be a whole number from 0; got {text!r}; the largest is 2**63 - 1")
    return int(text)


def command_line(settings: Settings) -> str:
    """Write the command that trains this student again; a remark where there is none."""
    values, ill = changed(settings), fault_of(settings)
    if len(values.pop("changes", ())) > (ill is not None):
        return "# no command: `distill` has no option for changes"
    if ill is not None:
        values |= {"fault": ill[0].name, "fault_strength": ill[1]}
    options = (f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in values.items())
    return " ".join(["python -m distill_kit distill", *options])


def python_lines(settings: Settings) -> str:
    """Write the lines of Python that train this student again, without widgets."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in changed(settings).items() if name != "data")
    knows = "import distill_course.diagnosis  # knows the fault\n" if settings.changes else ""
    return read_table("lab-words")["code"]["python"].format(knows=knows, data=settings.data, arguments=arguments)
