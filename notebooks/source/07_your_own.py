# %% [markdown]
# # 7. Your own images, teacher and student
#
# {{head}}
#
# When you are through you can
#
# - turn a folder of images into a data set, and the data set into a DataLoader of your own,
# - make a teacher that came from elsewhere fit your classes, and check that it does,
# - use images that nobody has labelled, and say what the teacher was worth, with an interval,
# - save and export a student, and check that what you take away answers the same.
#
# You need [the first notebook](00_start_here.ipynb). You should have written an `nn.Module` before.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %%
import torch
import torch.nn.functional as F
from torch import nn
from distill_kit import load_dataset, load_teacher, plotting, train_student_with_distillation
from distill_course import Prediction, check, drawings
from distill_course.notebook import EPOCHS

# %% [markdown]
# ## A folder of images
#
# Put the path of a folder of your own between the quotes, and this notebook is about your images. A folder for each
# class is enough; with `train/` and `test/` around them, or `val/` as well, that is how they are divided. Images of any
# size and format will do. Left empty, the notebook makes a folder, so that it runs anywhere: 800 images of four
# classes, half of them for training. They are taken from the validation images, and the course's teacher has never been
# trained on those.

# %%
mine = ""          # for example "~/pictures/leaves"

# %%
import tempfile
from pathlib import Path
home = tempfile.TemporaryDirectory()          # for what this notebook writes
folder = Path(mine).expanduser() if mine else Path(home.name, "images")

# %%
from PIL import Image
if not mine:
    dataset = load_dataset()
    last_four = dataset.validation.labels >= len(dataset.pool.classes) - 4
    taken = dataset.validation[last_four][:800]
    for place, (pixels, label) in enumerate(zip(taken.images, taken.labels)):
        path = folder / ("train" if place < 400 else "test") / dataset.pool.classes[label]
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path / f"{place}.png")

# %% [markdown]
# From here on the notebook does not know where the images came from.

# %%
own = load_dataset(folder)
print(own.notice.replace(str(folder), "our folder"))
print("Classes:", *own.pool.classes)
print(f"pool {len(own.pool)}, validation {len(own.validation)}, test {len(own.test)}")

# %%
figure, axes = plotting.new_figure(8, width=8, height=1.5)
for ax, pixels, label in zip(axes, own.validation.images, own.validation.labels):
    plotting.image(pixels, ax, own.pool.classes[label])
figure

# %% [markdown]
# Here are some of the validation images as the networks will see them, each with the name of its folder above it; what
# was done to them is printed above. In a terminal `python -m distill_kit data FOLDER` says more.
#
# ## A loader of your own
#
# `train_student_with_distillation` takes any DataLoader that has a length and yields pairs: images, float [N, 3, H, W],
# and labels, int64 [N]. This one also mirrors half of the images, as many loaders do.

# %%
from torch.utils.data import DataLoader, TensorDataset
def loader_of(images, **how):
    pairs = TensorDataset(images.images.float() / 255, images.labels)
    return DataLoader(pairs, batch_size=32, **how)

# %%
def mirrored(pairs):
    images, labels = map(torch.stack, zip(*pairs))
    flip = torch.rand(len(images), 1, 1, 1) < 0.5
    return torch.where(flip, images.flip(3), images), labels

# %% [markdown]
# Teacher and student must see **the same view** of an image. What a teacher says of one view is not the truth about
# another. So the loop asks the teacher about the very batch that the student gets, after everything that your loader
# has done to it. You will check that below.
#
# ## A teacher from elsewhere
#
# Such a teacher seldom fits at once. It knows more classes than you have. It may return an object with the logits
# inside, as the models of Transformers do; the loop takes that as it is. For the folder that this notebook makes, the
# course's teacher with its ten classes plays that part. For a folder of yours one is trained here on your pool, by the
# recipe of the course's teacher, which takes a minute or two. (`python -m distill_kit teacher --train --data FOLDER`
# does the same in a terminal. Its file is read by `teacher, card = load_teacher(own, "teacher.safetensors")`.)

# %%
from distill_course.teacher_training import train_teacher
if mine:
    teacher, card = train_teacher(own)
    knows = own.pool.classes
else:
    teacher, card = load_teacher(dataset)
    knows = dataset.pool.classes
print("The teacher knows:", *knows)

# %% [markdown]
# A small module makes any teacher speak of our classes. For a teacher that knows just these, it changes nothing.

# %%
from types import SimpleNamespace
class OurTeacher(nn.Module):
    def __init__(self, teacher, columns):
        super().__init__()
        self.teacher, self.columns = teacher, columns

    def forward(self, images):
        return SimpleNamespace(logits=self.teacher(images)[:, self.columns])

# %% [markdown]
# Which columns? Look them up by name, never by hand. Folders are sorted by name, and your teacher's classes are perhaps
# not. First of all, measure a new teacher on your own labels: nothing else notices a wrong order.

# %%
from distill_kit.metrics import accuracy, answers
columns = [knows.index(name) for name in own.pool.classes]
own_teacher = OurTeacher(teacher, columns)

# %%
logits = answers(own_teacher, own.validation)                           # (N, C)
labels = own.validation.labels
print(f"Columns by name: right on {accuracy(logits, labels):.1%} of the validation images.")
print(f"All shifted by one: {accuracy(logits.roll(1, dims=1), labels):.1%}.")

# %% [markdown]
# The softmax over these columns only compares our classes with each other. Of an image of anything else it speaks as
# firmly.
#
# There is a second thing that nothing notices: the mode. In train mode BatchNorm takes mean and spread from the batch,
# so what a teacher says of an image depends on the images around it. The cells take the validation image that the
# teacher is least sure of, and show the probability of its label in batches of several sizes. They work on a copy,
# because a pass in train mode also changes what BatchNorm remembers, even without gradients.

# %%
from copy import deepcopy
restless = deepcopy(own_teacher).train()
least_sure = answers(own_teacher, own.validation).softmax(1).amax(1).argmin().item()

# %%
images = own.validation.images.roll(-least_sure, 0)      # from it on
images = images[:40].float() / 255                       # (N, 3, H, W)
label = own.validation.labels[least_sure]

# %%
with torch.no_grad():
    for size in (2, len(images) // 2, len(images)):
        rested, moody = (module(images[:size]).logits[0].softmax(0)[label]
                         for module in (own_teacher, restless))
        print(f"among {size:2} images:   eval mode {rested:.3f}   train mode {moody:.3f}")

# %% [markdown] exercise: ask
# Write `ask`: a teacher's logits for some images. The teacher may be in train mode when you get it. It may return a
# tensor, or an object with the tensor in `.logits`. And nothing will ever be trained through it. For a teacher that
# returns an object whose `.logits` are 2 and 0, it gives the tensor with 2 and 0.

# %% answer
def ask(teacher, images):
    """A module, and images [N, 3, H, W] -> logits [N, C]."""
    teacher.eval()
    with torch.no_grad():
        output = teacher(images)
    return getattr(output, "logits", output)

# %% [markdown] hints
# 1. Which layers behave in one way while a network is trained and in another way when it is used?
# 2. `teacher.eval()`, `torch.no_grad()`, and `getattr(thing, name, what if it has none)`.
# 3. `getattr(output, "logits", output)`, and before it the call of the teacher inside `with torch.no_grad():`.

# %% [markdown] also
# The kit does just this, in `teachers.py`, and again for every batch: whoever else holds the teacher may have switched
# it.

# %% [markdown]
# ## Normalisation belongs inside
#
# Many networks want normalised images: in each channel a mean is taken away, and the rest is divided by a standard
# deviation (std). Teacher and student may want different ones. If the loader does it, one of the two gets images that
# it was not made for. So let the loader yield plain numbers from 0 to 1, and let each module normalise for itself. Then
# you cannot forget it when the student is used, either.

# %% [markdown] exercise: normalised
# Write `normalised`: take from each channel of the images its mean, and divide what is left by the channel's std. For a
# channel that is 0.7 everywhere, with mean 0.5 and std 0.1, it gives 2.

# %% answer
def normalised(images, mean, std):
    """images [N, 3, H, W], mean and std [3] -> [N, 3, H, W]."""
    return (images - mean[:, None, None]) / std[:, None, None]

# %% [markdown] hints
# 1. PyTorch lines shapes up from the right. Which dimension of the images does a `mean` of shape [3] meet?
# 2. `mean[:, None, None]` has the shape [3, 1, 1]. Which dimension does its 3 meet?
# 3. `(images - mean[:, None, None]) / std[:, None, None]`

# %% [markdown] also
# `torchvision.transforms.v2.functional.normalize` does the same.

# %% [markdown]
# ## A student of your own
#
# A student may be any `nn.Module`. This student has two convolutions, and the mean and std of our images as
# **buffers**: they are no parameters and are not trained, but they are saved with the weights.

# %%
class Student(nn.Module):
    def __init__(self, mean, std, classes):
        super().__init__()
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std[:, None, None])
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU())
        self.head = nn.Linear(64, classes)

    def forward(self, images):
        return self.head(self.layers((images - self.mean) / self.std).amax((2, 3)))

# %%
from distill_kit.models import parameter_count
classes, pixels = len(own.pool.classes), own.pool.images / 255
mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))

# %%
print(f"Parameters: student {parameter_count(Student(mean, std, classes)):,}, "
      f"teacher {parameter_count(teacher):,}")

# %% [markdown]
# ## Images without a label
#
# Labels cost work, and images often cost none. Say that you have labelled 40 of the images in the pool (or a quarter of
# a small one), and not the others. Leave the others in! An image without a label has the label **-100**. It counts in the soft term, because the
# teacher speaks of it, and not in the hard term.

# %%
from distill_kit.data import keep_labels
labelled = min(40, len(own.pool) // 4)
few = keep_labels(own.pool, labelled)

# %%
one_left = len(few) % 32 == 1              # of the images, for the last batch
train_loader = loader_of(few, shuffle=True, drop_last=one_left, collate_fn=mirrored)
val_loader = loader_of(own.validation)
print("The first batch:", *next(iter(train_loader))[1][:16].tolist(), "...")

# %% [markdown]
# A last batch of a single image is left out: BatchNorm has to compare it with others, and the kit would refuse it.
#
# PyTorch's `cross_entropy` passes over -100. But a small batch may hold no label at all, and then its mean is 0 / 0. In
# the kit's loss the hard term of such a batch is 0 (exercise 2.1 in the second notebook).
#
# ## What is the teacher worth?
#
# You train two students with the same first weights and the same batches: one with only these labels (alpha = 1), one
# with the teacher (alpha = 0.1). There are three seeds of each. `history` is a list of yours that collects the rows of
# the epochs. Guess first: how many points of the test images does the teacher add? Put a number in place of the dots.

# %%
guess = Prediction(..., because="", unit="points")
guess

# %%
def trained(seed, alpha):
    torch.manual_seed(seed)
    student, rows = Student(mean, std, classes), []
    train_student_with_distillation(
        student, own_teacher if alpha < 1 else None, train_loader, val_loader, EPOCHS,
        learning_rate=1e-2, alpha=alpha, patience=None, history=rows, precision="auto",
        progress=False)
    share = accuracy(answers(student, own.test), own.test.labels)
    return {"student": student, "rows": rows, "test": share}

# %%
from distill_course import paired
from distill_course.comparisons import Results
alone, taught = ([trained(seed, alpha) for seed in range(3)] for alpha in (1.0, 0.1))
for name, runs in (("labels alone", alone), ("with the teacher", taught)):
    print(f"{name}:", *(f"{run['test']:.1%}" for run in runs))

# %%
gain, = paired(Results({"labels alone": alone, "with the teacher": taught}, "test"))
print(gain)
print(guess.against(gain.mean))

# %%
figure, (left, right) = plotting.new_figure(2, width=9, height=2.6)
plotting.curves({"alone": alone[0]["rows"], "taught": taught[0]["rows"]}, "val_accuracy", left)
drawings.differences([gain], right)
figure

# %% [markdown]
# On the left you see the validation accuracy of the two students of seed 0, over the epochs. On the right there is a
# dot for each seed, the mean as a stroke, the 95 % interval as a bar, and zero as a dashed line. In the stored outputs,
# which are of the folder that this notebook makes, all three dots lie far to the right of zero.
#
# Be careful with both pictures. On the left a single validation image is worth `100 / len(own.validation)` points, and
# that is several where there are few. Such curves cross and meet by chance, and yet the loop chooses its best epoch by them. On the right the interval knows only of
# seeds. Other images to learn from, or another few hundred to be judged by, would move it as well.
#
# Where does the gain come from? It does not come out of nothing: the teacher was trained on a whole pool of *labelled*
# images. That is how it is in real use, too. Distillation hands on labels that somebody paid for elsewhere. Mind the
# case of a folder of yours: its teacher was trained above on these very images, with the labels that were then taken
# away, and hands those back. A teacher that never saw them is worth less; `distill --data FOLDER --seeds 5` in a
# terminal asks what it is worth when both students have all labels.
#
# ## Any module, and the same view
#
# Here a torchvision network is the student, without weights from anywhere. One epoch is enough to see that it fits;
# `on_row` is called with each row as it is made. Two hooks write down what each module is shown while the student is in
# train mode.

# %%
from torchvision.models import resnet18
theirs = resnet18(weights=None, num_classes=classes)
to_teacher, to_student = [], []
def watched(module, sums):
    return module.register_forward_pre_hook(
        lambda _, seen: sums.append(seen[0].sum().item()) if theirs.training else None)

hooks = watched(own_teacher, to_teacher), watched(theirs, to_student)

# %%
def tell(row):
    print(f"epoch {row['epoch']}: agreement with the teacher {row['val_agreement']:.0%}")

train_student_with_distillation(theirs, own_teacher, train_loader, val_loader, 1, on_row=tell,
                                progress=False)
print(f"{len(to_student)} batches; "
      f"equal sums of pixels on both sides: {to_teacher == to_student}")
for hook in hooks:
    hook.remove()

# %% [markdown]
# ## When something does not fit
#
# The kit checks what it is given and says what it wanted, in one sentence.

# %%
def refusal(teacher=own_teacher, train_loader=train_loader):
    try:
        student = Student(mean, std, classes)
        train_student_with_distillation(student, teacher, train_loader, val_loader, 1)
    except ValueError as error:
        print(error, end="\n\n")

refusal(train_loader=(batch for batch in train_loader))       # how many steps has an epoch?
refusal(train_loader=[((255 * x).byte(), y) for x, y in train_loader])  # bytes
refusal(teacher=OurTeacher(teacher, columns[:-1]))            # one class fewer than the student

# %% [markdown]
# ## Your images in the lab
#
# The lab takes your data set and your teacher, whatever module it is. The student there is one of the kit's own, and
# all images have labels. The experiment is about labels that cannot be trusted: some are drawn at random, as if whoever
# labelled your images had been in a hurry. (Its note speaks of the course's images and teacher.)
# The picture is empty until you press *Train* or move a slider.

# %%
from distill_course import Lab
lab = Lab("alpha", own, own_teacher, images=len(own.pool), batch_size=32, label_noise=0.0)
lab

# %% [markdown]
# Three questions for the lab. With every label true, what is the teacher worth? With which share of random labels does
# a student without a teacher lose ten points? And how often does *New seed* change more than your slider did?
#
# ## Take it with you
#
# The files below go into the folder `home.name`, which is deleted with the kernel: copy what you want to keep.
#
# For weights use **safetensors**: plain numbers and names. `torch.save` writes a pickle, and a pickle can carry code
# that runs when you open it. A file of weights holds no code at all, so you need the class to read it. The buffers come
# along.

# %%
from safetensors.torch import load_file, save_file
student = taught[0]["student"].cpu()    # a file, or another program, knows nothing of your GPU
save_file(student.state_dict(), Path(home.name, "student.safetensors"))

# %%
again = Student(mean * 0, std * 0, classes).eval()
_ = again.load_state_dict(load_file(Path(home.name, "student.safetensors")))

# %% [markdown]
# Never trust a file that you have not tried. Ask both networks about the same images. Look at the largest difference of
# all logits: two networks may choose the same classes and still not be the same.

# %%
def largest_difference(model, other):
    with torch.no_grad():
        return (model(images) - other(images)).abs().max().item()

print(f"largest difference {largest_difference(student, again):g}")

# %% [markdown]
# Networks of the kit's own family need no class: their file says how they are built. It has a checksum, and a card for
# whatever you want to keep with it.

# %%
from distill_kit.weights import load_model, save_model
save_model(teacher.cpu(), Path(home.name, "teacher.safetensors"), {"classes": list(knows)})
reloaded, card = load_model(Path(home.name, "teacher.safetensors"))
print(f"largest difference {largest_difference(teacher, reloaded):g}")
print("the card:", card)

# %% [markdown]
# ## Leave Python's classes behind
#
# `torch.export` writes down what a network *does*, step by step, so that whoever loads it needs no class of yours. It
# watches a call with two images. `Dim` says that there may be any number of them.

# %%
any_number = ({0: torch.export.Dim("images")},)
exported = torch.export.export(student, (images[:2],), dynamic_shapes=any_number)

# %%
torch.export.save(exported, Path(home.name, "student.pt2"))
loaded = torch.export.load(Path(home.name, "student.pt2")).module()
print(f"{len(images)} images: largest difference {largest_difference(student, loaded):g}")

# %% [markdown]
# The student is written down in **eval mode**, because it was in eval mode: the loop returns it so. **ONNX** is the
# same idea for programs that have no PyTorch in them. It needs three further packages; without them the cell says so.

# %%
from importlib.util import find_spec
has_onnx = all(map(find_spec, ("onnx", "onnxscript", "onnxruntime")))
print("ONNX is here." if has_onnx else
      "Left out: no ONNX here. `pip install onnx onnxscript onnxruntime` brings it.")

# %%
if has_onnx:
    import onnxruntime
    torch.onnx.export(exported, (), Path(home.name, "student.onnx"), input_names=["images"],
                      verbose=False)
    session = onnxruntime.InferenceSession(Path(home.name, "student.onnx"))
    def there(batch):
        return torch.from_numpy(session.run(None, {"images": batch.numpy()})[0])
    print(f"largest difference {largest_difference(student, there):g}")

# %% [markdown]
# A new picture has to be prepared as those of the folder were: on white, the middle square, scaled by Lanczos. Scaled in
# another way it looks much the same to you, and not to a small network. `data/README.md` has the lines that do it.
#
# Another program adds the same numbers in another order, so the last digits may differ. Decide *before* you look how
# much difference you accept: a ten thousandth, for example, where logits are a few units large.
#
# ## How much smaller, and how much faster?

# %%
for name in ("teacher", "student"):
    size = Path(home.name, f"{name}.safetensors").stat().st_size
    print(f"{name}: {size / 1_000:,.0f} kB of weights")

# %% [markdown]
# Time is harder to measure than size. The first call prepares things that later calls find ready. And a computer does
# other work beside yours, so a call may be held up. That only ever makes it slower, and a mean carries it along.

# %% [markdown] exercise: times_faster
# How many times as fast as its teacher is a student? You get the seconds of several repeats of each. Leave the first
# repeat out, take the **median** of the others, and divide. For a teacher's 9, 4, 4, 6 and a student's 5, 1, 2, 1 it
# gives 4.

# %% answer
def times_faster(teacher_seconds, student_seconds):
    """Seconds [R] of R repeats each -> one number, above 1 where the student is faster."""
    return teacher_seconds[1:].median() / student_seconds[1:].median()

# %% [markdown] hints
# 1. A mean of ten repeats, one of which had to wait for another program: what does it tell you?
# 2. `[1:]` leaves the first one out; `.median()` sorts and takes the middle.
# 3. `teacher_seconds[1:].median() / student_seconds[1:].median()`

# %% [markdown] also
# The median also forgives one repeat that was too quick, which the smallest time does not.

# %%
import time
def milliseconds(module, images, repeats=12):
    taken = []
    with torch.inference_mode():
        for _ in range(repeats):
            started = time.perf_counter()
            module(images)
            taken.append(time.perf_counter() - started)
    return 1_000 * torch.tensor(taken[1:]).median() / len(images)       # an image

# %%
for name, module in (("teacher", own_teacher), ("student", student), ("resnet18", theirs)):
    single, many = (milliseconds(module.cpu().eval(), images[:count]) for count in (1, None))
    print(f"{name:8} {parameter_count(module):10,} parameters; "
          f"a single image {single:.2f} ms, each of {len(images)} {many:.2f} ms")

# %% [markdown] rests=["alpha: alpha = 1.0", "alpha: alpha = 0.1", "alpha, few labels: alpha = 1.0", "alpha, few labels: alpha = 0.1"]
# Parameters are not time. Compare the student's row with the teacher's, column by column: three ratios, and no two of
# them are the same. Time also depends on how many images you ask about at once. Measure with the number that you will
# use, on the machine that you will use.
#
# ## Before you trust your own run
#
# - Measure the teacher on your labels. Is it far below what its makers say? Then it is the order of the classes, or the
#   normalisation.
# - Keep enough validation images to choose by. A single one of them is worth `100 / len(own.validation)` points.
# - Train the student with labels only as well, with the same seeds. Without that, you cannot speak of a gain.
# - Look at the test images once.
#
# ## In five lines
#
# - A folder with a folder for each class is a data set; any DataLoader of (images, labels) with a length will do.
# - For a teacher from elsewhere, pick the columns by name, and use eval mode and no gradient; the loop sees to the last
#   two.
# - Normalisation belongs inside each module, and random changes of the images into the loader: both modules then see
#   the same view.
# - An image without a label, -100, still has a teacher; with few labels that is worth most.
# - Whatever you save or export, ask it about the same images before you throw the original away.
#
# **Next:** a folder of your own as `mine`, above; or the same way in a terminal, in four commands: `data FOLDER`,
# `teacher --train --data FOLDER`, `distill --data FOLDER --teacher FILE --seeds 5`, `export RUN`, each after
# `python -m distill_kit`. [1. Temperature](01_temperature.ipynb) and the notebooks after it explain the settings.
