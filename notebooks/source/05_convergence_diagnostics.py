# %% [markdown]
# # 5. Convergence diagnostics: from a sign to its cause
#
# {{head}}
#
# When you are through you can
#
# - say what each figure in a run's history can tell, and what it cannot,
# - tell four sick runs apart whose accuracies look alike,
# - confirm a cause with one experiment before you treat it,
# - say which advice on learning rate, patience, normalisation and labels held when it was measured.
#
# You need [the first notebook](00_start_here.ipynb), and to know what cross-entropy, a gradient and a learning rate are.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # on Colab alone; on your machine this cell does nothing
    kit = "git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet --no-deps {kit} torchmetrics lightning-utilities

# %%
import math
from dataclasses import replace
import torch
import torch.nn.functional as F
from distill_kit import Materials, Settings, load_dataset, load_teacher, plotting
from distill_kit.exercises import Prediction, check
from distill_kit.notebook import EPOCHS, train_and_tell

# %% [markdown]
# ## A healthy run
#
# After each epoch a run leaves one row in its history. First the rows of a run in which nothing is wrong.

# %%
dataset = load_dataset()
teacher, card = load_teacher(dataset)
materials = Materials(dataset, teacher, images=5_000)
healthy = train_and_tell(Settings(epochs=EPOCHS), materials, "healthy")

# %% tags=["nbval-ignore-output"]
first, last = healthy.history[0], healthy.history[-1]
for name in ("train_loss", "train_hard", "train_soft", "train_accuracy", "val_loss", "val_hard",
             "val_accuracy", "val_agreement", "gradient_norm", "clipped", "learning_rate"):
    print(f"{name:14} {first[name]:9.4f} in the first epoch, {last[name]:9.4f} in the last")

# %%
from distill_kit.teachers import accuracy, answers
seen = dataset.validation[:2_000]                                      # what a run watches
figure = plotting.run_figure(healthy.history)
figure.axes[2].axhline(accuracy(answers(teacher, seen), seen.labels), color="black", linestyle=":")
figure

# %% tags=["nbval-ignore-output"]
figure, (left, right) = plotting.new_figure(2)
plotting.curves({"mean": healthy.history}, "gradient_norm", left)
plotting.curves({"": healthy.history}, "learning_rate", right)
figure

# %% [markdown]
# Read them in this order.
#
# 1. **The losses and their terms.** Both totals fall. The soft term makes up nearly all of the total, so the total says what the
#    *soft* term does. `val_hard`, the cross-entropy on new images, is the figure that means the same at every temperature and alpha.
# 2. **The accuracies.** Training accuracy ends well above validation accuracy. That gap alone is no illness. The dotted line is the
#    teacher, the ceiling; agreement with the teacher runs just above accuracy.
# 3. **The gradient.** `clipped` is 1: every step is cut to the norm 1. Elsewhere that would be an alarm. Here T² makes the gradient long,
#    in health too. Compare a figure with that of a healthy run, not with a number from a book.
# 4. **The learning rate.** It falls to zero, so every curve flattens in the end, healthy or not. A plateau proves nothing.
#
# ## The line of knowing nothing
#
# A loss needs a scale. One end is 0. Where is the other, at which a student knows nothing at all?

# %% exercise: constant_loss

# %% [markdown]
# Where the ten classes occur equally often, it is ln 10. Now a student with a learning rate of 0.3, thirty times the healthy one, from labels
# alone. The article reads two stagnant losses so: student too small, learning rate too low, or alpha and temperature not right.

# %%
alone = Settings(alpha=1.0, epochs=EPOCHS)
stuck = train_and_tell(replace(alone, learning_rate=0.3), materials, "rate 0.3")
print("val_hard, epoch by epoch:", *(f"{row['val_hard']:.2f}" for row in stuck.history))
print(f"ln {len(dataset.pool.classes)} = {math.log(len(dataset.pool.classes)):.2f}")

# %% [markdown]
# The losses are as stagnant as can be, at the line of knowing nothing. The cause is a rate too *high*: the first steps threw the weights so far
# that the student gives every image the same answer. A sign alone has more than one cause.
#
# ## Four patients
#
# Four students, each with one thing wrong. All learn from labels alone, so that their losses are of one kind. Which letter has what is
# dealt by lot.

# %%
from random import Random
sick = {"rate too high": replace(alone, learning_rate=0.1),
        "rate too low": replace(alone, learning_rate=0.0003),
        "false labels": replace(alone, label_noise=0.6),
        "few images": replace(alone, images=500, batch_size=50, epochs=2 * EPOCHS)}
cause = dict(zip("ABCD", Random(EPOCHS).sample(list(sick), 4)))
of_images = {5_000: materials, 500: Materials(dataset, teacher, images=500)}

# %%
runs = {"healthy": train_and_tell(alone, materials, "healthy, labels alone")}
for letter in "ABCD":
    settings = sick[cause[letter]]
    runs[letter] = train_and_tell(settings, of_images[settings.images], letter)

# %% [markdown]
# First their validation accuracy alone, at eight moments of each run.

# %%
def moments(run):  # one of them has twice as many epochs, of half the length
    step = len(run.history) // EPOCHS
    return [{**row, "epoch": row["epoch"] // step} for row in run.history[step - 1::step]]

rows = {name: moments(run) for name, run in runs.items()}
figure, (ax,) = plotting.new_figure(1, width=6.5)
plotting.curves(rows, "val_accuracy", ax)
figure

# %% [markdown]
# Four curves end far below the fifth, and close together. All rise and flatten, which the article lists among the signs of health. Which
# is which? Write down your guesses before you go on.

# %%
guess = dict(A="", B="", C="", D="")

# %% [markdown]
# Now the columns beside it.

# %%
figure, (left, middle, right) = plotting.new_figure(3, width=12)
plotting.curves(rows, "train_accuracy", left)
plotting.curves(rows, "val_hard", middle).set_ylim(0, 4)
plotting.curves(rows, "gradient_norm", right)
figure

# %% tags=["nbval-ignore-output"]
for name, run in runs.items():
    train, new = ([row[part] for row in run.history] for part in ("train_hard", "val_hard"))
    print(f"{name:8} train_hard {train[0]:.2f} to {train[-1]:.2f}"
          f"   val_hard {new[0]:5.2f}, lowest {min(new):.2f}, last {new[-1]:.2f}"
          f"   accuracy: training {run.history[-1]['train_accuracy']:.2f},"
          f" validation {run.history[-1]['val_accuracy']:.2f}")

# %% [markdown]
# - One does **worse on its own training images than on new ones**, to the very end. In the first epochs that is normal, because training figures
#   are taken while the student still learns. At the end something must be wrong with what it is told.
# - One has its training images **by heart**. Its `val_hard` fell, and rises again.
# - One has **training and validation close together, both poor**, and all is smooth. By the article's three signs of health it is healthy.
#   It has only not come far.
# - One begins with a **validation loss far above the training loss**, outside the frame, and jumps. The article looks for a training loss that
#   oscillates wildly. This one's falls smoothly, as the mean of an epoch.
#
# Mind the gradient as well. In the run whose rate is too high it is *shorter* than in health.

# %%
for letter in "ABCD":
    print(f"{letter}: {cause[letter]:14} you said: {guess[letter] or 'nothing'}")

# %% [markdown]
# ## How far does a step go?
#
# The gradient's norm did not show that the rate was too high. What does? The step itself.

# %% exercise: update_ratio

# %% [markdown]
# Below, one bank of filters near the end of the first epoch, when the rate is nearly at its highest.

# %%
from distill_kit.run import Run
def step_size(rate):
    run = Run(replace(alone, learning_rate=rate), materials)
    filters, rows = run.student.blocks[1].convolutions[0].weight.detach(), run.rows(every=1)
    for _ in range(15):
        next(rows)
    before = filters.clone()
    next(rows)
    return torch.dist(filters, before) / before.norm()

# %% tags=["nbval-ignore-output"]
for rate in (0.0003, 0.01, 0.1):
    print(f"rate {rate:<6g}: a step moves these filters by {step_size(rate):.1%} of their length")

# %% [markdown]
# At the lowest rate they hardly move; at the highest, each step replaces most of what the steps before had built. The optimiser here is Muon, which
# takes long steps by design, so again: compare with the healthy run.
#
# ## Too sure
#
# Look again at the student with few images. What do its accuracy and its loss say, epoch by epoch?

# %% tags=["nbval-ignore-output"]
letter_of = {what: letter for letter, what in cause.items()}
few = runs[letter_of["few images"]]
for column in ("train_hard", "val_hard", "val_accuracy"):
    print(f"{column:12}", *(f"{row[column]:.2f}" for row in few.history))

# %% [markdown]
# `val_hard` has its lowest place half-way, and validation accuracy goes on rising after it. Both are true. Cross-entropy asks how *sure* the student is
# as well, and it grows ever surer, where it is wrong too. A rising validation loss says "too sure" before it says "worse".

# %% exercise: ece

# %%
shown = {"labels alone": runs["healthy"].student, "with the teacher": healthy.student,
         "the teacher": teacher, "few images": few.student,
         "false labels": runs[letter_of["false labels"]].student}
for name, network in shown.items():
    logits = answers(network, seen).float()                            # (2000, C)
    sure, right = logits.softmax(dim=1).amax(dim=1).mean(), accuracy(logits, seen.labels)
    print(f"{name:16} {sure:.0%} sure, {right:.0%} right, "
          f"cross-entropy {F.cross_entropy(logits, seen.labels):.2f}")

# %% [markdown]
# The student with few images is much surer than it is right. The one with false labels is too modest: it has learnt that labels
# cannot be relied on. And mind the second line: with the teacher, more is right, and yet the cross-entropy is higher, because
# this student has taken over how sure its teacher is. Compare accuracies to choose between alphas, not losses.
#
# ## From sign to cause to remedy
#
# | sign in the rows | first suspect | others | experiment that confirms | remedy |
# |---|---|---|---|---|
# | losses stand at ln C | rate far too high | inputs or labels mixed up | a tenth of the rate | lower rate |
# | validation loss far above training loss, jumping | rate too high | too little warm-up | a third of the rate | lower rate |
# | training and validation close, both poor, smooth | rate too low | too few epochs, student too small | ten times the rate; then more epochs; then a wider student | what helped |
# | training by heart, `val_hard` falls and rises | few images | too many epochs | more images, as many steps | more images, a teacher |
# | worse on training than on new images, to the end | false labels | harder training views | ask the teacher about the labels | lower alpha, better labels |
#
# ## One experiment for each
#
# A good experiment changes one thing that the other suspects do not depend on. What would help whatever the cause proves nothing.
# Three experiments train again. The fourth asks the teacher how many training labels it contradicts.

# %%
from distill_kit.history import best_row
experiments = {"rate too high": {"learning_rate": 0.03}, "rate too low": {"learning_rate": 0.003},
               "few images": {"images": 2_000, "epochs": max(1, EPOCHS // 2)}}  # as many steps
of_images[2_000] = Materials(dataset, teacher, images=2_000)
treated = {}
for what, change in experiments.items():
    settings = replace(sick[what], **change)
    treated[what] = train_and_tell(settings, of_images[settings.images], what)

# %% tags=["nbval-ignore-output"]
for what, run in treated.items():
    before, after = best_row(runs[letter_of[what]].history), best_row(run.history)
    print(f"{what:14} {experiments[what]}: validation accuracy {before['val_accuracy']:.1%},"
          f" now {after['val_accuracy']:.1%}")

# %% tags=["nbval-ignore-output"]
for name in ("healthy", letter_of["false labels"]):
    told = runs[name].training
    contradicted = (answers(teacher, told).argmax(dim=1) != told.labels).float().mean()
    print(f"{name}: the teacher contradicts {contradicted:.0%} of the training labels")

# %% [markdown]
# Each treatment brings about ten points or more. That is one run each, so do not read the decimals; but *Repeat with three seeds* in the lab would be worth
# a press before you believed a smaller one. And the teacher contradicts the labels of the student that was told false ones far more often
# than those of the healthy one. That is evidence about the *labels*, and no curve gave it.
#
# ## The article's advice, measured
#
# The article ends with questions and answers. Five of them can be tried here. Guess one first: a student with layer norm instead of
# batch norm, by how many points is it better (or, below 0, worse)? The article prefers layer norm.

# %%
guess_norm = Prediction(..., because="", unit="points")
guess_norm

# %%
from distill_kit.comparisons import paired, stored, train
rates, norms = stored("learning rate"), stored("norm")
# rates, norms = (train(name, dataset, teacher) for name in ("learning rate", "norm"))
print(rates.origin)
print(*paired(rates), *paired(norms), sep="\n")
print(guess_norm.against(paired(norms)[0].mean))

# %% [markdown]
# **Which learning rate?** Each row holds a rate against 0.01, the course's. Three times more or less costs several points, ten times more than
# ten, and every interval lies clear of zero. The article's 0.001 is far too low here. A rate belongs to an optimiser and a student; advice without
# them is worth little.
#
# **Batch or layer norm?** Layer norm is clearly worse here, in batches that are large and mixed. For tiny batches it may be otherwise; that
# was not measured.

# %%
whose, long = stored("whose labels"), stored("how long")
# whose, long = (train(name, dataset, teacher) for name in ("whose labels", "how long"))
figure, (left, right) = plotting.new_figure(2, width=11, height=2.4)
plotting.differences(paired(whose), left)
plotting.differences(paired(long), right)
figure

# %%
print(whose.origin)
print(*paired(whose), "", *paired(long), sep="\n")

# %% [markdown]
# **Whose labels?** On the left, the baseline has 1,000 images with true labels and no others, and takes as many steps. 4,000 more that only the
# teacher labels help about as much as 4,000 with true labels do: both rows lie far to the right of the dashed line, one under the other. So mixing
# works. The article's 70 to 30 is nowhere near a limit. (This teacher has seen the true labels of those 4,000.)
#
# **How long?** On the right, against 8 epochs. Longer is better all the way to 28, clear of zero. No plateau yet: "validation accuracy plateaus,
# training is done" says more about the schedule than about the student, because with the rate every curve goes flat at its end.
#
# **How much patience?** The last question needs an exercise first.

# %% exercise: stops_at

# %%
def stopping(curve, patience):
    since = [epoch - curve.index(max(curve[:epoch + 1])) for epoch in range(len(curve))]
    end = since.index(patience) + 1 if patience in since else len(curve)
    return end, 100 * (max(curve) - max(curve[:end]))

# %%
for patience in (2, 3, 5):
    for arm in ("14 epochs", "28 epochs"):
        found = [stopping(run["epochs"]["val_accuracy"], patience) for run in long.arms[arm]]
        print(f"patience {patience}, {arm}: stops at {', '.join(str(end) for end, _ in found)};",
              f"costs {sum(lost for _, lost in found) / len(found):.1f} points in the mean")

# %% [markdown]
# With 14 epochs nothing happens. With 28, a patience of 2 or 3 stops some runs in their first third, because at a high rate the
# accuracy goes up and down; and what the falling rate would have brought is lost, which is a great deal. The article recommends 2 to 3.
# A rate that falls on a fixed schedule has its end built in: let the run go through, and keep the best weights.
#
# ## Now you
#
# The lab has a preset with the rate too high and one with the rate too low.

# %%
from distill_kit.lab import Lab
lab = Lab("plain", dataset, teacher)
lab

# %% [markdown]
# Three questions for it. Which of the two presets could you tell from the first three epochs alone? Make a run that is sick in two ways at once:
# does its curve tell? And is the course's rate still the best for the small student?
#
# ## In five lines
#
# - A figure needs a scale: ln C, the teacher, and above all a healthy run of the same kind.
# - Accuracy curves alone hardly tell one cause from another; the columns beside them do better, and an experiment does best.
# - A rising validation loss means "too sure" first, and "worse" only sometimes.
# - Rates that are right elsewhere are wrong here. So is layer norm, and so is a patience of 3 on a schedule that ends by itself.
# - Images that only the teacher labels were worth as much as labelled ones.
#
# **Next:** [7. Your own](07_your_own.ipynb): your images, your teacher, your student.
