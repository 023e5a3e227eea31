# %% [markdown]
# # Start here: one student, with and without a teacher
#
# {{head}}
#
# When you are through you can
#
# - say what a trained network knows about an image beside its label,
# - train a small network in seconds, from the labels alone and with a teacher,
# - tell a gain from luck.
#
# Run the cells from top to bottom: **Shift + Enter** runs one and moves on. If something stands below a cell already, it was stored when
# the course was made, and your own result takes its place. The copies that `start.py` makes come without, so that a guess is one.
#
# **How the course works.** Each notebook has a lab, in which a student trains again whenever you move a slider; predictions, which you make
# before you look; and, from the next one on, exercises that a check answers. Nothing you write is ever lost: you work on a copy. "The article" is a
# text of advice on training students, "Knowledge Transfer: Training Student Models Effectively". The course puts what it says to the test.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # on Colab alone; on your machine this cell does nothing
    kit = "git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet --no-deps {kit} torchmetrics lightning-utilities

# %% [markdown]
# ## The images
#
# The course uses CIFAR-10: 60,000 photographs of 32 by 32 pixels in ten classes. If they are not on this machine, the kit
# draws images of its own, Shapes-10, and the cell below offers a button that fetches CIFAR-10. Everything works with both.

# %%
from distill_kit import load_dataset
from distill_kit.notebook import data_in_use
dataset = load_dataset()
data_in_use(dataset)

# %%
from distill_kit import plotting
figure, axes = plotting.new_figure(8, width=8, height=1.5)
classes, seen = dataset.pool.classes, dataset.validation[:500]
for ax, pixels, label in zip(axes, seen.images, seen.labels):
    plotting.image(pixels, ax, classes[label])
figure

# %% [markdown]
# Eight images, each with its label above it. The images are cut in three. The **pool** is where training images are drawn from. The
# **validation** images, a tenth of each class, are for comparing settings; no student and no teacher is trained on them. The **test** images
# are kept for one last look.

# %%
{"pool": len(dataset.pool), "validation": len(dataset.validation), "test": len(dataset.test)}

# %% [markdown]
# ## The teacher
#
# The kit ships a teacher for these images: a network that was trained on the whole pool and is never changed again.

# %%
from distill_kit import load_teacher
from distill_kit.teachers import answers
teacher, card = load_teacher(dataset)

# %%
logits = answers(teacher, seen).float()          # (500, 10): ten numbers for each image
right = logits.argmax(dim=1) == seen.labels      # (500,)
print(f"Right on {right.float().mean():.1%} of 500 validation images.")

# %% [markdown]
# A teacher says more than one class. It gives ten **logits**, and softmax turns them into ten probabilities. The cell looks for an image
# about which the teacher is right, and yet not quite sure: its best class gets about 60 %, its second more than
# 30 %. Of those it takes the one with the strongest contrast, so that you can see what is on it.

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
# A label says: this class, and nothing else. A teacher's probabilities say which other classes come near. Divided by a **temperature** T
# before softmax, the logits give softer probabilities. These are the **soft targets**.

# %%
softened = {f"T = {T}": (logits[number] / T).softmax(dim=0).numpy()
            for T in (1, 4, 16)}

# %%
figure, (left, beside) = plotting.new_figure(2, height=3.8)
plotting.image(pixels, left, classes[label])
plotting.soft_targets(softened, classes, beside, label)
figure

# %%
for name, shares in softened.items():
    first = shares.argsort()[::-1][:3]
    print(name, *(f"{classes[k]} {shares[k]:.1%}" for k in first), sep="   ")

# %% [markdown]
# Look at the bars, and at the image: would you have been sure? At T = 1 two classes take nearly all. At T = 4 you also see which others come
# near, and which do not. At T = 16 no class stands far above the others.
# The order of the classes is the same at each T: a temperature changes how loud the teacher says it, not what.
#
# ## Two students
#
# The student is small. It learns from 5,000 images of the pool. Its loss has two terms:
#
# $$\text{loss} = \alpha \cdot \text{hard} + (1 - \alpha) \cdot T^2 \cdot \text{KL}(\text{teacher}_T \,\|\, \text{student}_T)$$
#
# The **hard** term is cross-entropy with the labels. The other, the **soft** term, asks the student to say what the teacher says: the
# Kullback-Leibler divergence, KL, measures how far the student's softened probabilities are from the teacher's, and is 0 where they are
# equal. The factor T² is there because, for large T, softening makes the gradient about T² times smaller. **Alpha** is the weight of the
# hard term. With alpha = 1 the teacher is ignored.
#
# Before you run it: how many of a hundred validation images will the student get right without a teacher? And with one? Put your
# numbers in place of the dots. It costs nothing to be wrong, and you will see the result with other eyes.

# %%
from distill_kit.exercises import Prediction
guess_alone = Prediction(..., because="", unit="%")
guess_taught = Prediction(..., because="", unit="%")

# %% [markdown]
# First the student without a teacher, then the same one with a teacher: the same first weights, the same images in the same order. The second
# run takes longer the first time, because the teacher has to answer first. After each pass over its images, an **epoch**, a student is
# measured on 2,000 validation images; in the end it keeps the weights of its best epoch.
#
# At each pass a training image is shown in the next of four **views**: plain or mirrored, in its place or shifted by a pixel or two. The
# teacher answers for each view, and the student sees the same pixels. Training figures are taken on these views, while the weights still
# move; validation images are shown as they are. So training accuracy can lie below validation accuracy.

# %%
from distill_kit import Materials, Settings
from distill_kit.models import parameter_count
from distill_kit.notebook import EPOCHS, train_and_tell

# %%
# the 5,000 images, and what the teacher says about each
materials = Materials(dataset, teacher, images=5_000)
labels_alone = Settings(alpha=1.0, epochs=EPOCHS)
with_teacher = Settings(alpha=0.1, temperature=4.0, epochs=EPOCHS)

# %%
alone = train_and_tell(labels_alone, materials, "labels alone")
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
# On the left: the share of validation images that each student gets right, after each pass over its images. On the right: what the second
# student minimised, the total and its two terms: the soft one with its factor T², both before alpha weighs them. The numbers beside the lines
# are about those of the last epoch: rounding may move their last digit. Each student keeps the weights of its best epoch, and the next cell
# compares those.

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
# Another seed means other first weights and another order of the images, and so another result. One pair of runs cannot tell a gain from
# luck. So run two more pairs. Within a pair everything is equal but alpha. A third guess: how far apart will the three gains lie,
# from the smallest to the largest?

# %%
guess_spread = Prediction(..., because="", unit="points")
guess_spread

# %%
from dataclasses import replace
all_alone, all_taught = [alone], [taught]
for seed in (1, 2):
    for done, settings in ((all_alone, labels_alone), (all_taught, with_teacher)):
        name = f"seed {seed}, alpha {settings.alpha}"
        done.append(train_and_tell(replace(settings, seed=seed), materials, name))

# %%
from scipy import stats
before = [accuracy(run) for run in all_alone]
after = [accuracy(run) for run in all_taught]
gains = [b - a for a, b in zip(before, after)]
interval = stats.ttest_rel(after, before).confidence_interval(0.95)

# %%
figure, (ax,) = plotting.new_figure(1, height=1.9)
plotting.gains({"three seeds": gains}, ax, interval)
figure

# %%
outside = interval.low > 0 or interval.high < 0
print("Gains:", *(f"{gain:+.1f}" for gain in gains), f"  mean {sum(gains) / 3:+.1f}")
print(f"95 % interval of the mean: {interval.low:+.1f} to {interval.high:+.1f}")
print("From least to most.", guess_spread.against(max(gains) - min(gains)))
print("Zero lies", "outside: luck alone would seldom do this." if outside
      else "inside: this may be luck.")

# %% [markdown]
# Each dot is the gain of one pair in percentage points, the tall stroke their mean. The band is a 95 % confidence interval for the mean gain: of
# a hundred bands made like this, about 95 would hold the mean of very many pairs. Three pairs make a wide band. It still speaks to the
# question: does it hold zero or not?
#
# One thing flatters all these figures: each student's best epoch was chosen on the same validation images that it is judged by. It flatters
# both students of a pair, so their difference suffers less. The test images below have had no part in any choice.
#
# ## Move a slider
#
# Now you. Below, only 1,000 of the 5,000 images keep their label, and the teacher speaks about all of them. Before you move anything, say
# under *My guess* what you think will happen. Then press **Train**, or move a slider: each move trains a student again. What it is held
# against is trained once. With the keyboard: Tab goes from control to control, the arrow keys move a slider. How long a move takes depends on
# your machine. The lab says it from the first steps on; and where other programs want the same cores, it says what they cost.
#
# The bars beside the curves show what the teacher says of one image, softened at T. A line of text gives their **entropy**: how spread out the
# probabilities are, in bits.
#
# Three questions for it. How many labels does the student without a teacher need to catch up? Which alpha is best here, and is it still
# the best with all 5,000 labels? Can one run tell? *Repeat with three seeds* gives an interval.

# %%
from distill_kit.lab import Lab
lab = Lab("labels", dataset, teacher)
lab

# %% [markdown]
# ## One look at the test images
#
# Everything above was read off validation images, which you may look at as often as you like. The test images are for the end.

# %%
for name, run in (("labels alone", alone), ("with the teacher", taught)):
    share = run.report()["test_accuracy"]
    print(f"{name}: {share:.1%} of {len(dataset.test):,} test images")

# %% [markdown]
# ## In five lines
#
# - A teacher's probabilities say more than a label: which wrong answers are nearly right.
# - A temperature above 1 makes the small ones visible.
# - The loss mixes two terms; alpha is the weight of the labels.
# - What a teacher is worth is a difference between two students who are alike in everything else.
# - One run proves nothing. Pairs that share their seed, and an interval, do.
#
# **Next:** [1. Temperature](01_temperature.ipynb), what a teacher says beside the label. Or stay in the lab: replace `"labels"` in
# its cell by `"temperature"` (a class that the student never saw), `"alpha"` (labels that cannot be trusted), `"schedule"` or `"plain"`
# (everything at once), and run the cell again. The same runs from a terminal: `python -m distill_kit distill --epochs 8 --alpha 0.5`.
