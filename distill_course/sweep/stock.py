"""What runs need before they can train: data sets, teachers, materials; the newest of each is kept."""
from collections.abc import Callable, Iterable
from dataclasses import replace

from torch import nn

from distill_kit.checkpoints import of_images, of_network
from distill_kit.data import Dataset, load_dataset
from distill_kit.models import ConvNet
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings
from distill_kit.views import VIEWS

from ..other_teachers import named_teacher
from ..teacher_training import ALL_VIEWS
from .plan import Planned

Source = Materials | tuple[Dataset, nn.Module]  # what a run is trained from
NEED_TEACHER = {"teacher_in_train_mode"}  # changes that ask the teacher itself, and not only for its kept logits


def cut_of(asked) -> dict:
    """Return what settings or options ask for the images of a folder, as `load_dataset` takes it."""
    return {name: getattr(asked, name) for name in ("size", "validation_share", "test_share")}


def materials_of(settings: Settings, views: int, dataset: Dataset, teacher: nn.Module) -> Materials:
    """Make materials with so many views of each image: the first of VIEWS, or of ALL_VIEWS where more are asked for."""
    return Materials(dataset, teacher, images=settings.images, data_seed=settings.data_seed,
                     leave_out_class=settings.leave_out, device=settings.device, precision=settings.precision,
                     views=(VIEWS if views <= len(VIEWS) else ALL_VIEWS)[:views])


class Stock:
    """Data sets, teachers and materials, made when a run first needs them.

        >>> Stock().source(Planned(Settings(data="shapes10")))

    dataset, teacher: those of all runs, where they are at hand; else they are loaded by their names.
    """

    def __init__(self, dataset: Dataset | None = None, teacher: nn.Module | None = None):
        self._given, self._newest, self._marks = (dataset, teacher), {}, {}

    def _kept(self, what: Callable, key: tuple, make: Callable):
        """Return what was made for this key, or make it. what: hashes it; where that is known it must be the same."""
        if self._newest.get(what, (None,))[0] != key:
            self._newest.pop(what, None)  # before the next is made: both may not fit
            made = make()
            if (known := self._marks.get((what, key))) and known != what(made):
                raise ValueError(f"images or teacher {key[-1]!r} were changed since the sweep began; start it again")
            self._newest[what] = key, made
        return self._newest[what][1]

    def dataset(self, run: Planned) -> Dataset:
        """Load the images of a run. Raises ValueError where they are others than when they were hashed."""
        return self._given[0] or self._kept(of_images, run.needs[:4], lambda: load_dataset(
            run.settings.data, **cut_of(run.settings)))

    def teacher(self, run: Planned) -> nn.Module:
        """Load the teacher of a run, or of the student that is to be the teacher (`taught_by`). Raises as `dataset`."""
        return self._given[1] or self._kept(of_network, run.needs[:5], lambda: named_teacher(
            self.dataset(run), run.teacher)[0])

    def fingerprints(self, run: Planned) -> tuple[str, str]:
        """Hash the images and the teacher of a run, once."""
        for what, of, key in ((self.dataset, of_images, run.needs[:4]), (self.teacher, of_network, run.needs[:5])):
            if (of, key) not in self._marks:
                self._marks[of, key] = of(what(run))
        return self._marks[of_images, run.needs[:4]], self._marks[of_network, run.needs[:5]]

    def materials(self, run: Planned) -> Materials:
        """Make the materials of a run."""
        return self._kept(materials_of, run.needs, lambda: materials_of(
            run.settings, run.views, self.dataset(run), self.teacher(run)))

    def check(self, runs: Iterable[Planned]) -> None:
        """Raise ValueError for a run that these images do not allow, before any has begun."""
        each = (replace(run, settings=own) for run in runs for own in (run.taught_by, run.settings) if own)
        alike = {(run.needs, replace(run.settings, seed=0, temperature=1.0, alpha=float(run.settings.labels_only),
                                     final_alpha=None, final_temperature=None, learning_rate=1.0)): run for run in each}
        for run in alike.values():
            Run(run.settings, self.materials(run))

    def source(self, run: Planned, progress: bool = False) -> Source:
        """Return what a run is trained from, in any process: materials that know all that the teacher will be asked.

        Data set and teacher where the run has to ask the teacher itself, and that is no plain data.
        """
        asks = run.probes or NEED_TEACHER & {change.partition(":")[0] for change in run.settings.changes}
        if run.taught_by is not None or asks and type(self.teacher(run)) is not ConvNet:
            return self.dataset(run), self.teacher(run)
        materials = self.materials(run)
        _ = materials.stem  # once, and not in each process
        # On a GPU the runs of several threads share what is kept, so none of them may add to it.
        materials.complete(materials.device.type == "cuda" or not run.settings.labels_only, progress)
        return materials
