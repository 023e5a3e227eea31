# %% [markdown]
# # 5. Convergence diagnostics: from a sign to its cause
#
# {{head}}
#
# When you are through you can
#
# - say what each figure in a run's history can tell, and what it cannot,
# - tell four sick runs apart whose accuracies look alike,
# - confirm a cause with an experiment before you treat it,
# - say which advice on learning rate, patience, normalisation and labels held when it was measured.
#
# You need [the first notebook](00_start_here.ipynb). You should know what cross-entropy, a gradient and a learning rate
# are.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %%
import math
from dataclasses import replace
import torch
import torch.nn.functional as F
from distill_kit import Materials, Run, Settings, colours, load_dataset, load_teacher, plotting
from distill_course import Prediction, check, drawings
from distill_course.notebook import EPOCHS, train_and_tell

# %% [markdown]
# ## A healthy run
#
# After each epoch a run leaves a row in its history. Look first at the rows of a run in which nothing is wrong.

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
from distill_kit.metrics import accuracy, answers
seen = dataset.validation[:1_250]                                      # what a run watches
figure = plotting.run_figure(healthy.history)
ceiling = accuracy(answers(teacher, seen), seen.labels)
figure.axes[2].axhline(ceiling, color="black", linestyle=":")
figure

# %% tags=["nbval-ignore-output"]
figure, (left, right) = plotting.new_figure(2)
plotting.curves({"mean": healthy.history}, "gradient_norm", left)
plotting.curves({"": healthy.history}, "learning_rate", right)
figure

# %% [markdown]
# Read them in this order.
#
# 1. **The losses and their terms.** Both totals fall. The soft term is nearly all of the total. `val_hard`, the
#    cross-entropy on new images, is measured alike at every temperature and alpha.
# 2. **The accuracies.** Training accuracy ends well above validation accuracy. That gap by itself is no illness. The
#    dotted line high above is the teacher, the ceiling. Agreement with the teacher runs just above validation accuracy.
# 3. **The gradient.** `clipped` is 1: every step is cut to the norm 1. Elsewhere that would be an alarm; not here. The
#    healthy run without a teacher, further down, has a mean norm above 1 nearly to its end. Compare a figure with a
#    healthy run's, not with a number from a book.
# 4. **The learning rate.** It falls to zero, so curves flatten in the end, healthy or not.
#
# ## The line of knowing nothing
#
# A loss needs a scale. One end is 0. Where is the other end, at which a student knows nothing at all?

# %% [markdown] exercise: constant_loss
# A student that cannot tell images apart gives the same answer for all of them. Its best answer is the share of each
# class. Write `constant_loss`, the cross-entropy of that answer: minus the sum of share times ln(share). A class
# without images adds nothing. For the labels 0, 0, 1, 1 it gives 0.69.

# %% answer
def constant_loss(labels):
    """labels [N], class numbers -> one number, in nats."""
    counts = torch.bincount(labels)
    shares = counts[counts > 0] / len(labels)
    return -(shares * shares.log()).sum()

# %% [markdown] hints
# 1. How often does each class occur, as a share of all images?
# 2. `torch.bincount` counts class numbers. What does 0 times the logarithm of 0 come to on a computer?
# 3. `shares = counts[counts > 0] / len(labels)`, then `-(shares * shares.log()).sum()`

# %% [markdown] also
# It is the entropy of the labels. A loss that stays there says that the student has learnt nothing about images.

# %% [markdown]
# Where the ten classes occur equally often, it is ln 10. Now train a student with a learning rate of 0.3, thirty times
# the healthy rate, with labels only. Where neither the training loss nor the validation loss moves, the article
# suspects a student too small, a learning rate too low, or the wrong alpha and temperature.

# %%
alone = Settings(alpha=1.0, epochs=EPOCHS)
stuck = train_and_tell(replace(alone, learning_rate=0.3), materials, "rate 0.3")
print("val_hard, epoch by epoch:", *(f"{row['val_hard']:.2f}" for row in stuck.history))
print(f"ln {len(dataset.pool.classes)} = {math.log(len(dataset.pool.classes)):.2f}")

# %% [markdown]
# The loss stands still, at the line of knowing nothing: every image gets the same answer. And the cause is a rate far
# too *high*. One sign can have several causes.
#
# ## Four patients
#
# You have four students, each with one thing wrong. All learn from labels only, so that their losses are of the same
# kind. A draw decides which letter has which illness.

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
# First look only at their validation accuracy, at eight moments of each run.

# %%
def moments(run):  # one of them has twice as many epochs, of half the length
    step = len(run.history) // EPOCHS
    return [{**row, "epoch": row["epoch"] // step} for row in run.history[step - 1::step]]

rows = {name: moments(run) for name, run in runs.items()}
figure, (ax,) = plotting.new_figure(1, width=6.5)
plotting.curves(rows, "val_accuracy", ax)
figure

# %% [markdown]
# Four curves end far below the fifth, and near each other. All rise, and most flatten, which the article lists among
# the signs of health. Which is which? Write down your guesses before you go on.

# %%
guess = dict(A="", B="", C="", D="")

# %% [markdown]
# Now look at the columns beside it.

# %%
figure, (left, middle, right) = plotting.new_figure(3, width=12)
plotting.curves(rows, "train_accuracy", left)
middle.set_ylim(0, 4)
plotting.curves(rows, "val_hard", middle)
plotting.curves(rows, "gradient_norm", right)
figure

# %% tags=["nbval-ignore-output"]
for name, run in runs.items():
    fit, new = ([row[part] for row in run.history] for part in ("train_hard", "val_hard"))
    last = run.history[-1]
    print(f"{name:8} train_hard {fit[0]:.2f} to {fit[-1]:.2f}"
          f"   val_hard {new[0]:5.2f}, lowest {min(new):.2f}, last {new[-1]:.2f}"
          f"   right: {last['train_accuracy']:.2f}, new {last['val_accuracy']:.2f}")

# %% [markdown]
# - One run does **worse on its own training images than on new ones**, to the end. In the first epochs that is normal:
#   training figures are taken while the student still learns, on mirrored and shifted views. At the end something must
#   be wrong with what it is given.
# - One run has its training images **by heart**. Its `val_hard` fell, and rises again.
# - One run has **training and validation close together, both poor**, and everything is smooth. By the article's three
#   signs (training loss falls smoothly, validation loss falls and flattens, accuracy rises and flattens) it is healthy.
#   It has only not come far.
# - One run begins with a **validation loss far above the training loss**, outside the frame. It learns most at the end,
#   when the rate has fallen. The article looks for a training loss that oscillates wildly. This run's training loss,
#   the mean of an epoch, only falls.
#
# And the gradient norm? After the first epoch, this last run's is *shorter* than the healthy run's.

# %%
for letter in "ABCD":
    print(f"{letter}: {cause[letter]:14} you said: {guess[letter] or 'nothing'}")

# %% [markdown]
# ## How far does a step go?
#
# The gradient's norm did not show that the rate was too high. What does? The step itself shows it.

# %% [markdown] exercise: update_ratio
# How far does a step go, compared with the weights that it changes? Write `update_ratio`: the norm of the change over
# the norm of the weights before. For weights 3 and 4 that become 3 and 4.5 it gives 0.1.

# %% answer
def update_ratio(before, after):
    """before, after: weights [O, I] -> one number."""
    return (after - before).norm() / before.norm()

# %% [markdown] hints
# 1. How long is the arrow from the old weights to the new ones?
# 2. `tensor.norm()` is the root of the sum of all squares, whatever the shape. Subtract first, or afterwards?
# 3. `(after - before).norm() / before.norm()`

# %% [markdown] also
# The gradient's norm is another thing: AdamW and Muon scale it away before they step.

# %% [markdown]
# Below you see a bank of filters near the end of the first epoch, when the rate is nearly at its highest.

# %%
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
    print(f"rate {rate:<6g}: "
          f"a step moves these filters by {step_size(rate):.1%} of their length")

# %% [markdown]
# At the lowest rate they hardly move. At the highest, a step is nearly as long as the weights themselves. Muon, the
# optimiser here, takes long steps by design. So again: compare with the healthy run, in the middle.
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
# `val_hard` has its lowest place before the end, and validation accuracy goes on rising after it. Both are true.
# Cross-entropy also asks how *sure* the student is, and it grows surer where it is wrong, too. A rising validation loss
# says "too sure" before it says "worse".

# %% [markdown] exercise: ece
# If a student gives some answers with 70 % confidence, 70 % of them should be right. Write `ece`, the expected
# calibration error. Sort the images by their highest probability into equally wide bins from 0 to 1; a 1 belongs to the
# last bin. In each bin take the distance between mean confidence and the share that is right. Average the bins,
# weighted by their images. For probabilities 0.95, 0.05 and 0.85, 0.15 with the labels 0 and 1, in ten bins, it gives
# 0.45.

# %% answer
def ece(probabilities, labels, bins):
    """probabilities [N, C], labels [N], number of bins -> one number."""
    confidence, first = probabilities.max(dim=1)
    right = (first == labels).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins).index_add(0, place, confidence - right)
    return gaps.abs().sum() / len(labels)

# %% [markdown] hints
# 1. In one bin with n images: what is n times (mean confidence minus share right), as a sum over its images?
# 2. `probabilities.max(dim=1)` gives confidence and class; `(confidence * bins).long()` the bin, but for a 1.
#    `index_add` sums by bin.
# 3. `torch.zeros(bins).index_add(0, place, confidence - right).abs().sum() / len(labels)`

# %% [markdown] also
# A loop over the bins with a mask is as good (Guo and others, 2017).

# %%
from distill_kit.metrics import classification_figures
shown = {"labels alone": runs["healthy"].student, "with the teacher": healthy.student,
         "the teacher": teacher, "few images": few.student,
         "false labels": runs[letter_of["false labels"]].student}
for name, network in shown.items():
    logits = answers(network, seen)                                    # (2000, C)
    sure = logits.softmax(dim=1).amax(dim=1).mean()
    figures = classification_figures(logits, seen.labels)
    print(f"{name:16} {sure:.0%} sure, {figures['accuracy']:.0%} right, "
          f"ECE {figures['ece']:.2f}, cross-entropy {figures['cross_entropy']:.2f}")

# %% [markdown]
# The student with few images is much surer than it is right. The student with false labels is too modest. Your ECE,
# here the kit's with 15 bins, is high for both: it does not say which way. And mind the second line. In this pair of
# runs more answers are right with the teacher, and yet ECE and cross-entropy are higher. This student is nearly as sure
# as its teacher without being as right. So do not choose an alpha by the loss.
#
# ## From sign to cause to remedy
#
# | sign in the rows | suspects | experiment that confirms the first | remedy |
# |---|---|---|---|
# | losses stand at ln C | rate far too high; labels mixed up | a tenth of the rate | lower rate |
# | validation loss far above training loss, jumping | rate too high; no warm-up | a third of the rate | lower rate |
# | training close to validation, poor, smooth | rate too low; few epochs; small net | ten times the rate | what helps |
# | training by heart, `val_hard` rises again | few images; many epochs | more images, equal steps | images; a teacher |
# | worse on training than on new images | false labels; harder views | ask the teacher about the labels | lower alpha |
#
# ## One experiment for each
#
# A good experiment changes only the suspected thing. What would help whatever the cause proves nothing. Three of these
# experiments train again. The fourth asks the teacher how many training labels it contradicts.

# %%
from distill_kit.history import best_row
experiments = {"rate too high": {"learning_rate": 0.03},
               "rate too low": {"learning_rate": 0.003},
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
    images = runs[name].training               # with the labels that the student was given
    contradicted = (answers(teacher, images).argmax(dim=1) != images.labels).float().mean()
    print(f"{cause.get(name, name)}: the teacher contradicts {contradicted:.0%} of the labels")

# %% [markdown]
# Each suspicion is confirmed, and the false labels are found without any training. But these are single runs. What does
# another seed do?

# %%
import statistics
from distill_course import paired, stored
from distill_course.comparisons import train
seeds = stored("alpha").values("alpha = 1.0")               # the healthy run, labels alone
spread = 100 * statistics.stdev(seeds)
print(f"{len(seeds)} seeds spread by {spread:.1f} points (standard deviation).")

# %% [markdown] rests=["alpha: alpha = 1.0"]
# That is a tenth of the differences above, or less. Now it is your turn. The presets have a rate too high and a rate
# too low, this time with the teacher.

# %%
from distill_course import Lab
lab = Lab("plain", dataset, teacher)
lab

# %% [markdown]
# Three questions for the lab. *Learning rate too high* and *too low*: which of them learns most when the run is nearly
# over, and why? Can you tell a *small* student's curve from that of a rate of 0.003? Set the false labels to 0.6: which
# alpha hides the illness?
#
# ## A gallery
#
# A tutor who has seen many runs looks at four panels. Here they are for the healthy run with a teacher.

# %%
from distill_course.gallery.panels import four_panels
four_panels(healthy.history)

# %% [markdown]
# Above on the left are the loss and its terms. Above on the right are the accuracies. The dotted line is how often the
# teacher is right on validation images, and *teacher on training* is how often it agrees with the labels that the
# student is given. Below on the left are the gradient's length, and how far a step goes compared with the weights' own
# length: Exercise 5.2. Below on the right you see how often student and teacher say the same, and how undecided each is
# at the loss's T, in bits.
#
# Below are sixteen stored runs without their names. Some of them are healthy. Say what each run has. Then you see the
# truth: how strong the fault was made (mild, clear or gross), the evidence, and what the kit says. Not every fault
# shows in a line: for one of these runs it takes a question to the run itself, a **probe**.

# %%
from distill_course import Gallery
gallery = Gallery()
gallery

# %% [markdown]
# The kit plays with `diagnose`, a list of short rules on the rows of a history. Their thresholds were set on runs whose
# fault is known, and tried on others ([how often it is right](../docs/diagnosis.md)). How much can you see in which
# columns? Here is the kit's own score on the gallery, first from only the accuracies.

# %%
from distill_course.gallery.game import kit_score, stored_patients
every = stored_patients()
accuracies = ("train_accuracy", "val_accuracy")
losses = (*accuracies, "train_loss", "val_loss", "train_hard", "train_soft", "val_hard")

# %%
print("accuracies:     ", kit_score([patient.seen_in(accuracies) for patient in every]))
print("and the losses: ", kit_score([patient.seen_in(losses) for patient in every]))
print("every column:   ", kit_score([patient.seen_in(patient.rows[0]) for patient in every]))
print("and the probes: ", kit_score(every))

# %% [markdown]
# Curves of accuracy and loss say little about causes. A figure that is made for a cause names it: how good the teacher
# is as the loss sees it, how far a step goes, how mixed a batch is. These sixteen runs helped to set the kit's
# thresholds, so its last line flatters it. The page linked above has runs that it had never seen.
#
# Now do the same with your own patients.

# %%
from distill_course import diagnose, probe
for letter in "ABCD":
    findings = diagnose(runs[letter].history, probe(runs[letter]))
    print(f"{letter} ({cause[letter]}):", *(f"{f.name} ({f.severity})" for f in findings))

# %% [markdown]
# Look for the run with the false labels: they are not named. Its student heard no teacher, and then neither rows nor
# probes have anything to compare the labels with. It took the question that you asked above.
#
# In the lab, `Lab("faults")` trains with any fault you choose, and says what it finds while the run goes on.
#
# ## The FAQ, put to the test
#
# The article ends with advice. Each piece of it stands beside a stored comparison. The students are measured in the end
# on all 5,000 validation images, and after each epoch on 1,250 of them.

# %%
def against(results, baseline=None):
    pairs = paired(results, baseline)
    print(results.origin, *pairs, sep="\n")
    figure, (ax,) = plotting.new_figure(1, width=6.5, height=2.2)
    drawings.differences(pairs, ax)
    return figure

# %% [markdown]
# **"Start with a learning rate of 1e-3 to 1e-4."** The course takes 0.01. What does 0.001 cost, in points of accuracy?

# %%
guess_rate = Prediction(..., because="", unit="points")
guess_rate

# %%
rates = stored("learning rate")
# rates = train("learning rate", dataset, teacher)
against(rates)

# %%
print(guess_rate.against(-paired(rates)[0].mean))

# %% [markdown] rests=["learning rate"]
# It did not hold. Every dot lies left of the dashed line, which is the rate 0.01. In eight epochs, 0.001 and 0.1 both
# lose more than ten points. The advice is meant for language models. To find a rate, try a few, a factor of three
# apart.
#
# **"Layer normalisation is preferable to batch normalisation."**

# %%
norms = stored("norm")
# norms = train("norm", dataset, teacher)
against(norms)

# %% [markdown] rests=["norm"]
# It did not hold for this convolutional student: all dots lie far left. But its recipe was chosen with batch norm. The
# article's reason, other batch sizes, was not tested.
#
# **"Mix 70 % synthetic and 30 % real labels; synthetic alone is acceptable."** All students below hear the teacher, in
# about as many steps. The second student has 1,000 real labels and 4,000 images that only the teacher labels.

# %%
whose = stored("whose labels")
# whose = train("whose labels", dataset, teacher)
against(whose, "5,000 labelled images")

# %% [markdown] rests=["whose labels"]
# It held, for 1,000 real labels to 4,000 of the teacher's; 70 to 30 was not tested. Without the 4,000 images some ten
# points are lost. With them, and without their labels, the difference may be luck. This teacher, though, was trained
# with those labels. What the teacher's labels do without any others is alpha = 0 in [notebook 3](03_alpha.ipynb).
#
# **"How long does it take?"** The article counts in days. Here it is a question of epochs.

# %%
long = stored("how long")
# long = train("how long", dataset, teacher)
against(long)

# %%
figure, (ax,) = plotting.new_figure(1, width=6.5)
for arm, (colour, dash, _) in zip(("8 epochs", "14 epochs", "28 epochs"), colours.LINES):
    shares = long.arms[arm][0]["epochs"]["val_accuracy"]
    ax.plot(range(1, len(shares) + 1), shares, color=colour, linestyle=dash, label=arm)
ax.set(xlabel="epoch", ylabel="validation accuracy")
ax.legend(frameon=False, loc="lower right")
figure

# %% [markdown] rests=["how long"]
# More epochs go on paying. "If it plateaus, training is done" misleads. The curves, of one seed each, flatten at three
# heights, each where its own rate has fallen. Before that, the longest curve jumps up and down for half of its way.
#
# **"Stop if the validation loss does not improve for 2 or 3 epochs."** You can write that rule, and then see what it
# would have done.

# %% [markdown] exercise: stops_at
# Early stopping ends a run once `patience` epochs in a row were not better than the best before them. Write `stops_at`:
# from the validation loss of each epoch, how many epochs are trained. Lower is better; equal is not. For the losses 3,
# 2, 4, 3, 1 and a patience of 2 it gives 4.

# %% answer
def stops_at(losses, patience):
    """losses [E], patience -> the number of epochs that are trained."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses.tolist(), start=1):
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == patience:
            return epoch
    return len(losses)

# %% [markdown] hints
# 1. Which two things must you remember from one epoch to the next?
# 2. Walk through the epochs with `enumerate(losses.tolist(), start=1)`. A better epoch sets the counter back.
# 3. `best, waited = (loss, 0) if loss < best else (best, waited + 1)`, then `if waited == patience: return epoch`

# %% [markdown] also
# The run then goes back to the weights of its best epoch.

# %%
guess_cost = Prediction(..., because="", unit="points")     # the mean cost of a patience of 2
guess_cost

# %% [markdown]
# Nine stored runs have 14, 23 or 28 epochs, three seeds each (the lines below call all nine seeds). The cell applies
# the rule to them afterwards.

# %%
from distill_course.comparisons import with_patience
nine = [*long.arms["14 epochs"], *whose.arms["1,000 labelled images"], *long.arms["28 epochs"]]
def stopped(run, patience):
    epochs = run["epochs"]
    end, best = with_patience(epochs["val_loss"], patience)
    whole = len(epochs["val_loss"])
    return {"val_accuracy": epochs["val_accuracy"][best - 1], "trained": end / whole}

rules = {"to the end": 99, "patience 2": 2, "patience 3": 3, "patience 5": 5}
patient = replace(long, arms={name: [stopped(run, rule) for run in nine]
                              for name, rule in rules.items()})

# %%
for rule in rules:
    shares = patient.values(rule, "trained")
    print(f"{rule}: {sum(share < 1 for share in shares)} of {len(shares)} runs end early")
against(patient)

# %%
print(guess_cost.against(-paired(patient)[0].mean))

# %% [markdown] rests=["how long: 14 epochs", "how long: 28 epochs", "whose labels", "learning rate", "norm"]
# A patience of 2 stops most of these runs, and costs many points. A patience of 3 stops two, both at a high price; its
# mean may be luck. A patience of 5 stops none: it costs nothing and saves nothing. While the rate is high, the
# validation loss jumps, and the best comes at the end. With a falling rate, save epochs by planning fewer.
#
# | advice | here |
# |---|---|
# | rate 1e-3 to 1e-4 | did not hold: 0.01 |
# | layer norm | did not hold, for this student |
# | mix teacher's labels with real ones | held, for 4,000 to 1,000 |
# | patience 2 to 3 | did not hold with a cosine; 5 was harmless |
# | a plateau means done | did not hold: the schedule makes the plateau |
#
# ## In five lines
#
# - Accuracy by itself names no cause: four illnesses ended at nearly the same accuracy.
# - Compare training with validation, and each figure with a healthy run's; ln C is where nothing is known.
# - A sign has several causes. Change one thing, and see whether the sign goes.
# - Cross-entropy also asks how sure a student is: a distilled student can be right more often and have the higher loss.
# - With a falling rate, plateaus and short patience mislead. Plan the number of epochs.
#
# **Next:** [6. Evidence](06_evidence.ipynb): which of all this advice holds, and how one finds out.
