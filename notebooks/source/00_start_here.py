# %% [markdown]
# # Start here: one student, with and without a teacher
#
# {{head}}
#
# When you are through you can
#
# - say what a trained network knows about an image besides its label,
# - train a small network in seconds, with labels only and with a teacher,
# - tell a gain from luck.
#
# Run the cells from top to bottom: **Shift + Enter** runs a cell and moves on. An output that already stands below a
# cell was stored when the course was made. Your own result takes its place. The copies that `start.py` makes have no
# stored outputs, so that you can really guess.
#
# **How the course works.** Each notebook has a lab: a student trains again whenever you move a slider. It has
# predictions, which you make before you look. From the next notebook on it has exercises, and a check answers them.
# Nothing you write is ever lost: you work on a copy. "The article" is a text of advice on training students, "Knowledge
# Transfer: Training Student Models Effectively". The course puts its advice to the test.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %% [markdown]
# ## The images
#
# The course uses CIFAR-10: 60,000 photographs of 32 by 32 pixels in ten classes. If they are not on this machine, the
# kit draws images of its own, Shapes-10, and the cell below offers a button that fetches CIFAR-10. Everything works
# with both.

# %%
from distill_kit import load_dataset
from distill_course.notebook import data_in_use
dataset = load_dataset()
data_in_use(dataset)

# %%
from distill_kit import plotting
from distill_course import drawings
figure, axes = plotting.new_figure(8, width=8, height=1.5)
classes, seen = dataset.pool.classes, dataset.validation[:500]
for ax, pixels, label in zip(axes, seen.images, seen.labels):
    plotting.image(pixels, ax, classes[label])
figure

# %% [markdown]
# Eight images, each with its label above it. The images are cut in three. Training images are drawn from the **pool**.
# The **validation** images, a tenth of each class, are for comparing settings: no student and no teacher is trained on
# them. The **test** images are kept for one last look.

# %%
{"pool": len(dataset.pool), "validation": len(dataset.validation), "test": len(dataset.test)}

# %% [markdown]
# ## The teacher
#
# The kit ships a teacher for these images: a network that was trained on the whole pool and is never changed again.

# %%
from distill_kit import load_teacher
from distill_kit.metrics import answers
teacher, card = load_teacher(dataset)

# %%
logits = answers(teacher, seen)                  # (500, 10): ten numbers for each image
right = logits.argmax(dim=1) == seen.labels      # (500,)
print(f"Right on {right.float().mean():.1%} of 500 validation images.")

# %% [markdown]
# A teacher says more than one class. It gives ten **logits**, and softmax turns them into ten probabilities. The next
# cell looks for an image about which the teacher is right but not quite sure: its best class gets about 60 %, its
# second more than 30 %. If there are several, it takes the image with the strongest contrast, so that you can see what
# is on it.

# %%
import torch
first, second = logits.softmax(dim=1).topk(2, dim=1).values.T
doubtful = right & (first > 0.55) & (first < 0.65) & (second > 0.3)
contrast = seen.images.float().std(dim=(1, 2, 3))
number = int(torch.where(doubtful, contrast, 0).argmax())
pixels, label = seen.images[number], int(seen.labels[number])

# %% [markdown]
# ## Soft targets
#
# A label says: this class, and nothing else. A teacher's probabilities also say which other classes come near. Divide
# the logits by a **temperature** T before softmax, and the probabilities become softer. These are the **soft targets**.

# %%
softened = {f"T = {T}": (logits[number] / T).softmax(dim=0).numpy()
            for T in (1, 4, 16)}

# %%
figure, (left, beside) = plotting.new_figure(2, height=3.8)
plotting.image(pixels, left, classes[label])
drawings.probability_bars(softened, classes, beside, label)
figure

# %%
for name, shares in softened.items():
    first = shares.argsort()[::-1][:3]
    print(name, *(f"{classes[k]} {shares[k]:.1%}" for k in first), sep="   ")

# %% [markdown]
# Look at the bars, and at the image: would you have been sure? At T = 1 two classes take nearly everything. At T = 4
# you also see which others come near, and which do not. At T = 16 no class stands far above the others. The order of
# the classes is the same at each T. A temperature changes how loudly the teacher says something, not what it says.
#
# ## Two students
#
# The student is small. It learns from 5,000 images of the pool. Its loss has two terms:
#
# $$\text{loss} = \alpha \cdot \text{hard} +
# (1 - \alpha) \cdot T^2 \cdot \text{KL}(\text{teacher}_T \,\|\, \text{student}_T)$$
#
# The **hard** term is cross-entropy with the labels. The **soft** term asks the student to say what the teacher says.
# It is the Kullback-Leibler divergence, KL: it measures how far the student's softened probabilities are from the
# teacher's, and is 0 where they are equal. For a large T, softening makes the gradient about T² times smaller. The
# factor T² makes up for that. **Alpha** is the weight of the hard term. With alpha = 1 the teacher is ignored.
#
# Before you run it: how many of a hundred validation images will the student get right without a teacher? And with a
# teacher? Put your numbers in place of the dots. It costs nothing to be wrong, and a guess helps you to see the result.

# %%
from distill_course import Prediction
guess_alone = Prediction(..., because="", unit="%")
guess_taught = Prediction(..., because="", unit="%")

# %% [markdown]
# First comes the student without a teacher, then the same student with a teacher. Both have the same first weights and
# the same images in the same order. Where the teacher's answers are not kept yet, the second run waits for them. After
# each pass over its images, an **epoch**, a student is measured on 1,250 validation images. In the end it
# keeps the weights of its best epoch.
#
# In each epoch a training image is shown in the next of four **views**: plain or mirrored, in its place or shifted by a
# pixel or two. The teacher answers for each view, and the student sees the same pixels. Training figures are taken on
# these views, while the weights still move. Validation images are shown as they are. So training accuracy can lie below
# validation accuracy.

# %%
from distill_kit import Materials, Settings
from distill_kit.models import parameter_count
from distill_course.notebook import EPOCHS, train_and_tell

# %%
# the 5,000 images, and what the teacher says about each
materials = Materials(dataset, teacher, images=5_000)
labels_only = Settings(alpha=1.0, epochs=EPOCHS)
with_teacher = Settings(alpha=0.1, temperature=4.0, epochs=EPOCHS)

# %%
alone = train_and_tell(labels_only, materials, "labels alone")
taught = train_and_tell(with_teacher, materials, "with the teacher")
print(f"Weights: teacher {parameter_count(teacher):,}, "
      f"student {parameter_count(taught.student):,}")

# %%
runs = {"labels alone": alone.history, "with the teacher": taught.history}
figure, (left, beside) = plotting.new_figure(2)
plotting.curves(runs, "val_accuracy", left).set_title("two students")
plotting.loss_terms(taught.history, beside).set_title("taught: loss and terms")
figure

# %% [markdown]
# On the left you see the share of validation images that each student gets right, after each epoch. On the right you
# see what the second student minimised: the total, and its two terms before alpha weighs them. The soft term has its
# factor T². The numbers beside the lines are those of the last epoch; rounding may move their last digit. Each student
# keeps the weights of its best epoch, and the next cell compares those.

# %%
from distill_kit.history import best_row
def accuracy(run):
    return 100 * best_row(run.history)["val_accuracy"]

# %%
gain = accuracy(taught) - accuracy(alone)
print(f"In this one pair of runs the teacher is worth {gain:+.1f} percentage points.")
print("Labels alone.", guess_alone.against(accuracy(alone)))
print("With the teacher.", guess_taught.against(accuracy(taught)))

# %% [markdown]
# ## Was that luck?
#
# Another seed means other first weights and another order of the images, and so another result. A single pair of runs
# cannot tell a gain from luck. So run two more pairs. Within a pair everything is equal but alpha. Make a third guess:
# how far apart will the three gains lie, from the smallest to the largest?

# %%
guess_spread = Prediction(..., because="", unit="points")
guess_spread

# %%
from dataclasses import replace
all_alone, all_taught = [alone], [taught]
for seed in (1, 2):
    for done, settings in ((all_alone, labels_only), (all_taught, with_teacher)):
        name = f"seed {seed}, alpha {settings.alpha}"
        done.append(train_and_tell(replace(settings, seed=seed), materials, name))

# %%
from distill_course import Paired
gains = [accuracy(b) - accuracy(a) for a, b in zip(all_alone, all_taught)]
pairs = Paired("three seeds", gains)

# %%
figure, (ax,) = plotting.new_figure(1, height=1.9)
drawings.differences([pairs], ax)
figure

# %%
print("Gains:", *(f"{gain:+.1f}" for gain in gains), f"  mean {pairs.mean:+.1f}")
print(f"95 % interval of the mean: {pairs.low:+.1f} to {pairs.high:+.1f}")
print("From least to most.", guess_spread.against(max(gains) - min(gains)))
print("Zero lies", "inside: this may be luck." if pairs.may_be_luck
      else "outside: luck would seldom do this.")

# %% [markdown]
# Each dot is the gain of a pair in percentage points. The tall stroke is their mean. The band is a 95 % confidence
# interval of the mean gain: of a hundred bands made like this, about 95 would hold the mean of very many pairs. Three
# pairs make a wide band. It still answers the question: does it hold zero or not?
#
# One thing flatters all these figures: each student's best epoch was chosen on the same validation images that judge
# it. It flatters both students of a pair, so their difference suffers less. The test images below have had no part in
# any choice.
#
# ## Move a slider
#
# Now it is your turn. Below, only 1,000 of the 5,000 images keep their label, but the teacher speaks about all of them.
# Before you move anything, write under *My guess* what you think will happen. Then press **Train**, or move a slider:
# each move trains a student again. After it comes the run that it is compared with, once for each number of labels. With
# the keyboard, Tab goes from control to control, and the arrow keys move a slider. How long a move takes depends on your
# machine. The lab says so after the first steps. If other programs want the same cores, it says what they cost.
#
# The bars beside the curves show what the teacher says of an image, softened at T. A line of text gives their
# **entropy**: how spread out the probabilities are, in bits.
#
# Three questions for the lab. How many labels does the student without a teacher need to catch up? Which alpha is best
# here, and is it still the best with all 5,000 labels? Can a single run tell? *Repeat with three seeds* gives an
# interval.

# %%
from distill_course import Lab
lab = Lab("labels", dataset, teacher)
lab

# %% [markdown]
# ## One look at the test images
#
# Everything above was measured on validation images, which you may look at as often as you like. The test images are
# for the end.

# %%
for name, run in (("labels alone", alone), ("with the teacher", taught)):
    share = run.report()["test_accuracy"]
    print(f"{name}: {share:.1%} of {len(dataset.test):,} test images")

# %% [markdown]
# ## In five lines
#
# - A teacher's probabilities say more than a label: which wrong answers are nearly right.
# - A temperature above 1 makes the small probabilities visible.
# - The loss mixes two terms; alpha is the weight of the labels.
# - The worth of a teacher is a difference between two students that are alike in everything else.
# - A single run proves nothing. Pairs that share their seed, and an interval, do.
#
# **Next:** [1. Temperature](01_temperature.ipynb), what a teacher says besides the label. Or stay in the lab: replace
# `"labels"` in its cell by `"temperature"` (a class that the student never saw), `"alpha"` (labels that cannot be
# trusted), `"schedule"` or `"plain"` (everything at once), and run the cell again. The same runs from a terminal:
# `python -m distill_kit distill --epochs 8 --alpha 0.5`.
