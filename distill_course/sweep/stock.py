"""What runs need before they can train: data sets, teachers, materials; the newest of each is kept."""
from collections.abc import Callable, Iterable
from dataclasses import replace

from torch import nn

from distill_kit.checkpoints import of_images, of_network
from distill_kit.data import load_dataset
from distill_kit.data.imageset import Dataset
from distill_kit.models import ConvNet
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings
from distill_kit.views import VIEWS

from ..other_teachers import named_teacher
from ..teacher_training import ALL_VIEWS
from .plan import Planned

Source = Materials | tuple[Dataset, nn.Module]  # what a run is trained from
NEED_TEACHER = {"teacher_in_train_mode"}  # changes that ask the teacher itself, and not only for its kept logits


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
        self._given, self._newest = (dataset, teacher), {}

    def _kept(self, kind: str, key: tuple, make: Callable):
        if self._newest.get(kind, (None,))[0] != key:
            self._newest.pop(kind, None)  # before the next is made: both may not fit
            self._newest[kind] = key, make()
        return self._newest[kind][1]

    def dataset(self, run: Planned) -> Dataset:
        """Load the images of a run."""
        name, *cut = run.needs[:4]
        return self._given[0] or self._kept("dataset", run.needs[:4], lambda: load_dataset(
            name, **dict(zip(("size", "validation_share", "test_share"), cut))))

    def teacher(self, run: Planned) -> nn.Module:
        """Load the teacher of a run; of `taught_by` that of the student which is to be the teacher."""
        return self._given[1] or self._kept("teacher", run.needs[:5], lambda: named_teacher(
            self.dataset(run), run.teacher)[0])

    def fingerprints(self, run: Planned) -> tuple[str, str]:
        """Hash the images and the teacher of a run."""
        return self._kept("fingerprints", run.needs[:5], lambda: (
            of_images(self.dataset(run)), of_network(self.teacher(run))))

    def materials(self, run: Planned) -> Materials:
        """Make the materials of a run."""
        return self._kept("materials", run.needs, lambda: materials_of(
            run.settings, run.views, self.dataset(run), self.teacher(run)))

    def check(self, runs: Iterable[Planned]) -> None:
        """Raise ValueError for a run that these images do not allow, before any has begun."""
        alike = {(run.needs, replace(run.settings, seed=0, temperature=1.0, alpha=float(run.settings.labels_only),
                                     final_alpha=None, final_temperature=None, learning_rate=1.0)): run for run in runs}
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
        materials.complete(not run.settings.labels_only, progress)
        return materials
