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
# 1. **The losses and their terms.** Both totals fall. The soft term is nearly all of the total. `val_hard`, the cross-entropy
#    on new images, is measured alike at every temperature and alpha.
# 2. **The accuracies.** Training accuracy ends well above validation accuracy. That gap alone is no illness. The dotted line
#    high above is the teacher, the ceiling; agreement with the teacher runs just above validation accuracy.
# 3. **The gradient.** `clipped` is 1: every step is cut to the norm 1. Elsewhere that would be an alarm; not here. The
#    healthy run without a teacher, further down, has a mean norm above 1 in every epoch, too. Compare a figure with a healthy
#    run's, not with a number from a book.
# 4. **The learning rate.** It falls to zero, so curves flatten in the end, healthy or not.
#
# ## The line of knowing nothing
#
# A loss needs a scale. One end is 0. Where is the other, at which a student knows nothing at all?

# %% exercise: constant_loss

# %% [markdown]
# Where the ten classes occur equally often, it is ln 10. Now a student with a learning rate of 0.3, thirty times the healthy
# one, from labels alone. Where neither the training loss nor the validation loss moves, the article suspects a student too
# small, a learning rate too low, or the wrong alpha and temperature.

# %%
alone = Settings(alpha=1.0, epochs=EPOCHS)
stuck = train_and_tell(replace(alone, learning_rate=0.3), materials, "rate 0.3")
print("val_hard, epoch by epoch:", *(f"{row['val_hard']:.2f}" for row in stuck.history))
print(f"ln {len(dataset.pool.classes)} = {math.log(len(dataset.pool.classes)):.2f}")

# %% [markdown]
# The loss ends as stagnant as can be, at the line of knowing nothing: every image is given the same answer. And the cause is a
# rate far too *high*. One sign, several causes.
#
# ## Four patients
#
# Four students, each with one thing wrong. All learn from labels alone, so that their losses are of one kind. Which letter has
# what is dealt by lot.

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
# Four curves end far below the fifth, and near each other. All rise, and most flatten, which the article lists among the signs
# of health. Which is which? Write down your guesses before you go on.

# %%
guess = dict(A="", B="", C="", D="")

# %% [markdown]
# Now the columns beside it.

# %%
figure, (left, middle, right) = plotting.new_figure(3, width=12)
plotting.curves(rows, "train_accuracy", left)
middle.set_ylim(0, 4)
plotting.curves(rows, "val_hard", middle)
plotting.curves(rows, "gradient_norm", right)
figure

# %% tags=["nbval-ignore-output"]
for name, run in runs.items():
    train, new = ([row[part] for row in run.history] for part in ("train_hard", "val_hard"))
    last = run.history[-1]
    print(f"{name:8} train_hard {train[0]:.2f} to {train[-1]:.2f}"
          f"   val_hard {new[0]:5.2f}, lowest {min(new):.2f}, last {new[-1]:.2f}"
          f"   right: {last['train_accuracy']:.2f}, new {last['val_accuracy']:.2f}")

# %% [markdown]
# - One does **worse on its own training images than on new ones**, to the end. In the first epochs that is normal: training
#   figures are taken while the student still learns, on mirrored and shifted views. At the end something must be wrong with what
#   it is told.
# - One has its training images **by heart**. Its `val_hard` fell, and rises again.
# - One has **training and validation close together, both poor**, and all is smooth. By the article's three signs (training
#   loss falls smoothly, validation loss falls and flattens, accuracy rises and flattens) it is healthy. It has only not come
#   far.
# - One begins with a **validation loss far above the training loss**, outside the frame, and learns most at the end, when the
#   rate has fallen. The article looks for a training loss that oscillates wildly; this one's, the mean of an epoch, only falls.
#
# And the gradient norm? After the first epoch this last run's is *shorter* than the healthy one's.

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
    print(f"rate {rate:<6g}: "
          f"a step moves these filters by {step_size(rate):.1%} of their length")

# %% [markdown]
# At the lowest rate they hardly move; at the highest, one step is nearly as long as the weights themselves. Muon, the optimiser
# here, takes long steps by design, so again: compare with the healthy run, in the middle.
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
# `val_hard` has its lowest place half-way, and validation accuracy goes on rising after it. Both are true. Cross-entropy asks
# also how *sure* the student is, and it grows surer where it is wrong, too. A rising validation loss says "too sure" before it
# says "worse".

# %% exercise: ece

# %%
from distill_kit.teachers import classification_figures
shown = {"labels alone": runs["healthy"].student, "with the teacher": healthy.student,
         "the teacher": teacher, "few images": few.student,
         "false labels": runs[letter_of["false labels"]].student}
for name, network in shown.items():
    logits = answers(network, seen).float()                            # (2000, C)
    sure = logits.softmax(dim=1).amax(dim=1).mean()
    figures = classification_figures(logits, seen.labels)
    print(f"{name:16} {sure:.0%} sure, {figures['accuracy']:.0%} right, "
          f"ECE {figures['ece']:.2f}, cross-entropy {figures['cross_entropy']:.2f}")

# %% [markdown]
# The student with few images is much surer than it is right. The one with false labels is too modest. Your ECE, here the kit's
# with 15 bins, is high for both: it does not say which way. And mind the second line. In this pair of runs more is right with
# the teacher, and yet ECE and cross-entropy are higher. This student is nearly as sure as its teacher without being as right. So
# do not choose an alpha by the loss.
#
# ## From sign to cause to remedy
#
# | sign in the rows | suspects | experiment that confirms the first | remedy |
# |---|---|---|---|
# | losses stand at ln C | rate far too high; labels mixed up | a tenth of the rate | lower rate |
# | validation loss far above training loss, jumping | rate too high; no warm-up | a third of the rate | lower rate |
# | training and validation close, poor, smooth | rate too low; few epochs; small student | ten times the rate | the one that helps |
# | training by heart, `val_hard` rises again | few images; many epochs | more images, as many steps | images; a teacher |
# | worse on training than on new images | false labels; harder views | ask the teacher about the labels | lower alpha |
#
# ## One experiment for each
#
# A good experiment changes the suspected thing alone. What would help whatever the cause proves nothing. Three of these train
# again. The fourth asks the teacher how many training labels it contradicts.

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
    told = runs[name].training                 # images, with the labels it was shown
    contradicted = (answers(teacher, told).argmax(dim=1) != told.labels).float().mean()
    print(f"{cause.get(name, name)}: the teacher contradicts {contradicted:.0%} of the labels")

# %% [markdown]
# Each suspicion is confirmed, and the false labels are found without training at all. But these are single runs. What does
# another seed do?

# %%
import statistics
from distill_kit.comparisons import paired, stored, train
seeds = stored("alpha").values("alpha = 1.0")               # the healthy run, labels alone
spread = 100 * statistics.stdev(seeds)
print(f"{len(seeds)} seeds spread by {spread:.1f} points (standard deviation).")

# %% [markdown]
# A tenth of the differences above, or less. Now you. The presets have a rate too high and one too low, this time with the
# teacher.

# %%
from distill_kit.lab import Lab
lab = Lab("plain", dataset, teacher)
lab

# %% [markdown]
# Three questions. *Learning rate too high* and *too low*: which one learns most when the run is nearly over, and why? Can you
# tell a *small* student's curve from that of a rate of 0.003? Set the false labels to 0.6: which alpha hides the illness?
#
# ## A gallery
#
# A tutor who has seen many runs looks at four panels. Here they are for the healthy run with a teacher.

# %%
from distill_kit.panels import four_panels
four_panels(healthy.history)

# %% [markdown]
# Left above, the loss and its terms. Right above, the accuracies. The dotted line is how often the teacher is right on validation
# images, and *teacher on training* how often it agrees with the labels that the student is given. Left below, the gradient's length,
# and how far a step goes beside the weights' own length: Exercise 5.2. Right below, how often student and teacher say the same, and
# how undecided each is at the loss's T, in bits.
#
# Below are sixteen stored runs without their names, some of them healthy. Say what each has. Then you see the truth, how strong the
# fault was made (mild, clear or gross), the evidence, and what the kit says. Not every fault shows in a line: for one of these it
# takes a question to the run itself, a **probe**.

# %%
from distill_kit.gallery import Gallery
gallery = Gallery()
gallery

# %% [markdown]
# The kit's part is played by `diagnose`, a list of short rules on the rows of a history. Their thresholds were set on runs whose fault
# is known, and tried on others ([how often it is right](../docs/diagnosis.md)). How much can be seen in which columns? Here is the
# kit's own score on the gallery, first from the accuracies alone.

# %%
from distill_kit.diagnosis.game import kit_score, stored_patients
every = stored_patients()
accuracies = ("train_accuracy", "val_accuracy")
losses = (*accuracies, "train_loss", "val_loss", "train_hard", "train_soft", "val_hard")

# %%
print("accuracies:     ", kit_score([patient.seen_in(accuracies) for patient in every]))
print("and the losses: ", kit_score([patient.seen_in(losses) for patient in every]))
print("every column:   ", kit_score([patient.seen_in(patient.rows[0]) for patient in every]))
print("and the probes: ", kit_score(every))

# %% [markdown]
# Curves of accuracy and loss say little about causes. What names a cause is a figure that is made for it: how good the teacher is
# as the loss sees it, how far a step goes, how mixed a batch is. These sixteen runs helped to set the kit's thresholds, so its last
# line flatters it. The page linked above has runs that it had never seen.
#
# Now the same of your own patients.

# %%
from distill_kit.diagnosis import diagnose, probe
for letter in "ABCD":
    found = diagnose(runs[letter].history, probe(runs[letter]))
    print(f"{letter} ({cause[letter]}):", *(f"{one.name} ({one.severity})" for one in found))

# %% [markdown]
# C's false labels are not named. These students heard no teacher, and then neither rows nor probes have anything to hold the
# labels against. It took the question that you asked above.
#
# In the lab, `Lab("faults")` trains with any fault you choose, and says what it finds while the run goes on.
#
# ## The FAQ, put to the test
#
# The article ends with advice. Each piece is put beside a stored comparison. Its students are measured in the end on all 5,000
# validation images, and after each epoch on 2,000 of them.

# %%
def against(results, baseline=None):
    pairs = paired(results, baseline)
    print(results.origin, *pairs, sep="\n")
    figure, (ax,) = plotting.new_figure(1, width=6.5, height=2.2)
    plotting.differences(pairs, ax)
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

# %% [markdown]
# Did not hold. Every dot lies left of the dashed line, which is the rate 0.01. In eight epochs, 0.001 and 0.1 both lose more
# than ten points. The advice is meant for language models. A rate is found by trying a few, a factor of three apart.
#
# **"Layer normalisation is preferable to batch normalisation."**

# %%
norms = stored("norm")
# norms = train("norm", dataset, teacher)
against(norms)

# %% [markdown]
# Did not hold for this convolutional student: all dots lie far left. But its recipe was chosen with batch norm, and the
# article's reason, other batch sizes, was not tested.
#
# **"Mix 70 % synthetic and 30 % real labels; synthetic alone is acceptable."** All students below hear the teacher, in about as
# many steps. The second has 1,000 real labels and 4,000 images that only the teacher labels.

# %%
whose = stored("whose labels")
# whose = train("whose labels", dataset, teacher)
against(whose, "5,000 labelled images")

# %% [markdown]
# Held, for 1,000 real labels to 4,000 of the teacher's; 70 to 30 was not tested. Without the 4,000 images some ten points are
# lost. With them, and without their labels, the difference may be luck. This teacher, though, was trained with those labels. What
# its labels do alone is alpha = 0 in [notebook 3](03_alpha.ipynb).
#
# **"How long does it take?"** The article counts in days. Here it is a question of epochs.

# %%
long = stored("how long")
# long = train("how long", dataset, teacher)
against(long)

# %%
figure, (ax,) = plotting.new_figure(1, width=6.5)
for arm, (colour, dash, _) in zip(("8 epochs", "14 epochs", "28 epochs"), plotting.LINES):
    shares = long.arms[arm][0]["epochs"]["val_accuracy"]
    ax.plot(range(1, len(shares) + 1), shares, color=colour, linestyle=dash, label=arm)
ax.set(xlabel="epoch", ylabel="validation accuracy")
ax.legend(frameon=False, loc="lower right")
figure

# %% [markdown]
# More epochs go on paying. "If it plateaus, training is done" misleads: the curves, of one seed each, flatten at three heights,
# each where its own rate has fallen. Before that the longest one jumps up and down for half of its way.
#
# **"Stop if the validation loss does not improve for 2 or 3 epochs."** You can write that rule, and then see what it would have
# done.

# %% exercise: stops_at

# %%
guess_cost = Prediction(..., because="", unit="points")     # the mean cost of a patience of 2
guess_cost

# %% [markdown]
# Nine stored runs have 14, 23 or 28 epochs, three seeds each (the lines below call all nine seeds). The rule is applied to them
# afterwards.

# %%
from distill_kit.comparisons import with_patience
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

# %% [markdown]
# A patience of 2 stops most of these runs, and costs many points. One of 3 stops two, both at a high price; its mean may be
# luck. One of 5 stops none: it costs nothing and saves nothing. While the rate is high, the validation loss jumps, and the best
# comes at the end. With a falling rate, save epochs by planning fewer.
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
# - Accuracy alone names no cause: four illnesses ended at nearly the same one.
# - Compare training with validation, and each figure with a healthy run's; ln C is where nothing is known.
# - One sign has several causes. Change one thing, and see whether the sign goes.
# - Cross-entropy asks how sure a student is, too: a distilled one can be more right and have the higher loss.
# - With a falling rate, plateaus and short patience mislead. Plan the number of epochs.
#
# **Next:** [7. Your own images, teacher and student](07_your_own.ipynb).
