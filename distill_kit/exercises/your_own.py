"""Exercises of 07_your_own."""
import math
from collections.abc import Iterator
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .record import SIZES, Answer, Case, Draw, Exercise, close

IMAGE_SIZES = ((1, 3, 3), (2, 2, 4), (3, 5, 4))  # rows, height, width; 3 x 3 first, where a wrong axis raises no error
REPEATS = (4, 6, 12)                             # an odd number is left when the first is taken away


class MyDraw:
    """Inputs that the other notebooks do not need."""

    def __init__(self, draw: Draw):
        self.draw, self.generator = draw, draw.generator

    def images(self, rows: int, height: int, width: int) -> Tensor:
        """float32 [rows, 3, height, width], 0 to 1."""
        return torch.rand(rows, 3, height, width, generator=self.generator)

    def channels(self, low: float, high: float) -> Tensor:
        """float32 [3], no two alike."""
        places = torch.randperm(3, generator=self.generator) + torch.rand(1, generator=self.generator)
        return low + (high - low) * places / 3

    def seconds(self, repeats: int) -> Tensor:
        """float32 [repeats], in no order; the first repeat is among the slowest or the quickest."""
        first = 0.1 if torch.rand((), generator=self.generator) < 0.5 else 9.0
        return torch.cat([torch.tensor([first]), 1 + torch.rand(repeats - 1, generator=self.generator)])


def normalised_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    mine = MyDraw(draw)
    for rows, height, width in IMAGE_SIZES:
        shape, mean, std = (rows, 3, height, width), mine.channels(0.2, 0.8), mine.channels(0.1, 0.4)
        images, others = mine.images(rows, height, width), mine.images(rows, height, width)
        came = answer(images, mean, std, shape=shape)
        together = answer(torch.cat([others, images]), mean, std, shape=(2 * rows, *shape[1:]))
        yield Case("What comes out for an image does not depend on the other images.", close(together[rows:], came),
                   (came, together))
        redder = images.clone()
        redder[:, 0] += 0.1
        changed = (answer(redder, mean, std, shape=shape) != came).flatten(2).any(2)                    # (rows, 3)
        yield Case("Each channel comes out in its own place, and no other one has a say in it.",
                   changed.tolist() == [[True, False, False]] * rows)
        grey = torch.full(shape, 0.5)
        flat = answer(grey, mean, std, shape=shape)
        yield Case("In an image of one colour all pixels are alike afterwards, too: what stands in `mean` and `std` "
                   "belongs to channels, not to columns.", close(flat, flat[:, :, :1, :1].expand(shape)))
        step = answer(images + 0.1, mean, std, shape=shape) - came
        wider = answer(images + 0.1, mean, 2 * std, shape=shape) - answer(images, mean, 2 * std, shape=shape)
        yield Case("A larger std brings the numbers closer together.", bool((wider.abs() < step.abs()).all()))
        yield Case("A channel that is brighter by its std comes out larger by 1.",
                   close(other := answer(images + std[:, None, None], mean, std, shape=shape) - came, 1), (came, other))
        yield Case("A channel that is as bright as its mean comes out as 0.",
                   close(answer(mean[:, None, None].expand(shape).clone(), mean, std, shape=shape), 0))


NORMALISED = Exercise(
    "normalised",
    """
Write `normalised`: from each channel of the images its mean is taken, and what is left is divided by the channel's std.
For a channel that is 0.7 everywhere, with mean 0.5 and std 0.1, it gives 2.
""", '''
def normalised(images, mean, std):
    """images [N, 3, H, W], mean and std [3] -> [N, 3, H, W]."""
    return ...
''', '''
def normalised(images, mean, std):
    """images [N, 3, H, W], mean and std [3] -> [N, 3, H, W]."""
    return (images - mean[:, None, None]) / std[:, None, None]
''', normalised_cases,
    ("PyTorch lines shapes up from the right. Which dimension of the images does a `mean` of shape [3] meet?",
     "`mean[:, None, None]` has the shape [3, 1, 1]. Which dimension does its 3 meet?",
     "`(images - mean[:, None, None]) / std[:, None, None]`"),
    "`torchvision.transforms.v2.functional.normalize` does the same.")


class Elsewhere(nn.Module):
    """A teacher as it may come: it rests only in eval mode, and may wrap its logits in an object."""

    def __init__(self, inputs: int, classes: int, wraps: bool):
        super().__init__()
        self.wide, self.rest, self.head = nn.Linear(inputs, 64), nn.Dropout(0.5), nn.Linear(64, classes)
        self.wraps = wraps

    def __deepcopy__(self, memo):
        return self  # the judge compares with a copy; to leave this teacher in eval mode is no mistake here

    def forward(self, images: Tensor) -> Tensor | SimpleNamespace:
        logits = 3 * self.head(self.rest(self.wide(images.flatten(1)).relu()))
        return SimpleNamespace(logits=logits, hidden_states=None) if self.wraps else logits


def ask_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        for wraps in (False, True):
            teacher = Elsewhere(12, classes, wraps)
            images, shape = MyDraw(draw).images(rows, 2, 2), (rows, classes)

            def asked():
                teacher.train()  # as whoever had it before may have left it
                return answer(teacher, images, shape=shape)

            said = asked()
            yield Case("No gradient hangs on what a teacher says: nothing is kept for a way back.",
                       not said.requires_grad)
            yield Case("Asked twice about the same images it says the same: dropout has to rest.", close(asked(), said))
            with torch.no_grad():
                output = teacher.eval()(images)
            logits = output.logits if wraps else output
            yield Case("The order of the classes is the teacher's.", torch.equal(said.argsort(1), logits.argsort(1)))
            yield Case("They are logits, as the teacher gives them: no softmax yet, and no temperature.",
                       close(said, logits))


ASK = Exercise(
    "ask",
    """
Write `ask`: a teacher's logits for some images. The teacher may be in train mode when you get it. It may return a
tensor, or an object with the tensor in `.logits`. And nothing will ever be trained through it. For a teacher that
returns an object whose `.logits` are 2 and 0, it gives the tensor with 2 and 0.
""", '''
def ask(teacher, images):
    """A module, and images [N, 3, H, W] -> logits [N, C]."""
    return ...
''', '''
def ask(teacher, images):
    """A module, and images [N, 3, H, W] -> logits [N, C]."""
    teacher.eval()
    with torch.no_grad():
        output = teacher(images)
    return getattr(output, "logits", output)
''', ask_cases,
    ("Which layers behave in one way while a network is trained and in another way when it is used?",
     "`teacher.eval()`, `torch.no_grad()`, and `getattr(thing, name, what if it has none)`.",
     "`getattr(output, \"logits\", output)`, and before it the call of the teacher inside `with torch.no_grad():`."),
    "The kit does just this, in `batches.py`, and anew for every batch: whoever else holds the teacher may have "
    "switched it.")


def labelled_loss_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        logits, labels = draw.logits(rows, classes), draw.labels(rows, classes)
        more, none = draw.logits(rows + 1, classes), torch.full((rows + 1,), -100)
        loss = answer(logits, labels, shape=())
        yield Case("It is never below 0.", bool(loss > -1e-6))
        yield Case("The same number added to all logits of a row changes nothing.",
                   close(other := answer(logits + 3, labels, shape=()), loss), (loss, other))
        yield Case("It is a mean: the same batch twice gives the same loss.",
                   close(other := answer(torch.cat([logits, logits]), torch.cat([labels, labels]), shape=()), loss),
                   (loss, other))
        mixed = answer(torch.cat([more, logits]), torch.cat([none, labels]), shape=())
        yield Case("What the student says of an image without a label makes no difference.",
                   close(other := answer(torch.cat([2 * more.flip(1), logits]), torch.cat([none, labels]), shape=()),
                         mixed), (mixed, other))
        yield Case("Further images without a label leave the loss as it is: they are not counted, either.",
                   close(mixed, loss), (loss, mixed))
        yield Case("For logits that are all alike it is the natural logarithm of C.",
                   close(answer(torch.zeros(rows, classes), labels, shape=()), math.log(classes)))
        yield Case("With a label for each row it is cross-entropy.", close(loss, F.cross_entropy(logits, labels)),
                   (loss,))
        yield Case("A batch without any label has nothing to say: 0.", close(answer(more, none, shape=()), 0))


LABELLED_LOSS = Exercise(
    "labelled_loss",
    """
Write `labelled_loss`: the mean cross-entropy of those images that have a label. The others bear -100. If none has a
label, it is 0. For two rows of logits 0, 0, the first labelled 1 and the second -100, it gives 0.69.
""", '''
def labelled_loss(logits, labels):
    """logits [N, C], labels int64 [N], -100 where not known -> one number."""
    return ...
''', '''
def labelled_loss(logits, labels):
    """logits [N, C], labels int64 [N], -100 where not known -> one number."""
    labelled = (labels != -100).sum().clamp(min=1)
    return F.cross_entropy(logits, labels, ignore_index=-100, reduction="sum") / labelled
''', labelled_loss_cases,
    ("`F.cross_entropy` leaves rows with -100 out, and takes the mean of the others. What is the mean of no numbers?",
     "Take the sum (`reduction='sum'`), and divide it yourself by how many labels there are; by 1 if there are none.",
     "`(labels != -100).sum().clamp(min=1)` is what to divide by."),
    "The kit's hard term is these two lines.")


def times_faster_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    mine = MyDraw(draw)
    for repeats in REPEATS:
        teacher, student = 5 * mine.seconds(repeats), mine.seconds(repeats)
        times = answer(teacher, student, shape=())
        yield Case("A student that takes longer in every repeat gets a smaller number.",
                   bool((other := answer(teacher, 2 * student, shape=())) < times), (times, other))
        yield Case("In milliseconds it is the same number.",
                   close(other := answer(1_000 * teacher, 1_000 * student, shape=()), times), (times, other))
        turned = torch.cat([student[:1], student[1:].roll(1)])
        yield Case("The order of the repeats behind the first one makes no difference: no two belong together.",
                   close(other := answer(teacher, turned, shape=()), times), (times, other))
        colder = student.clone()
        colder[0] += 30
        yield Case("How long the first repeat took makes no difference: it warms up.",
                   close(other := answer(teacher, colder, shape=()), times), (times, other))
        colder[0] = 0.01
        yield Case("How long the first repeat took makes no difference: it warms up.",
                   close(other := answer(teacher, colder, shape=()), times), (times, other))
        held_up = student.clone()
        held_up[1:][student[1:].argmax()] += 30
        yield Case("One repeat that was held up makes no difference.",
                   close(other := answer(teacher, held_up, shape=()), times),
                   (times, other))
        lucky = student.clone()
        lucky[1:][student[1:].argmin()] /= 3
        yield Case("One repeat that was very quick makes no difference.",
                   close(other := answer(teacher, lucky, shape=()), times), (times, other))
        yield Case("Measured against itself a network is 1 times as fast.",
                   close(answer(teacher, teacher, shape=()), 1))
        yield Case("Behind the first repeat, half of all repeats are quicker than what counts, and half are slower.",
                   close(times, teacher[1:].median() / student[1:].median()), (times,))


TIMES_FASTER = Exercise(
    "times_faster",
    """
How many times as fast as its teacher is a student? You get the seconds of several repeats of each. Leave the first
repeat out, take the **median** of the others, and divide. For a teacher's 9, 4, 4, 6 and a student's 5, 1, 2, 1 it
gives 4.
""", '''
def times_faster(teacher_seconds, student_seconds):
    """Seconds [R] of R repeats each -> one number, above 1 where the student is faster."""
    return ...
''', '''
def times_faster(teacher_seconds, student_seconds):
    """Seconds [R] of R repeats each -> one number, above 1 where the student is faster."""
    return teacher_seconds[1:].median() / student_seconds[1:].median()
''', times_faster_cases,
    ("A mean of ten repeats, one of which had to wait for another program: what does it tell you?",
     "`[1:]` leaves the first one out; `.median()` sorts and takes the middle.",
     "`teacher_seconds[1:].median() / student_seconds[1:].median()`"),
    "The median also forgives one repeat that was too quick, which the smallest time does not.")

EXERCISES = (NORMALISED, ASK, LABELLED_LOSS, TIMES_FASTER)
