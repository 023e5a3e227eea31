# %% [markdown]
# # 2. The training loop: line by line, and what each habit is worth
#
# {{head}}
#
# When you are through you can
#
# - write the loss, and name the mistakes in it that raise no error,
# - write the loop: forward, loss, backward, clip, step, schedule,
# - read the kit's own loop, and its rows of figures,
# - say of each good habit whether it made a difference here, or whether you cannot tell it from luck.
#
# You need [the notebook before this one](01_temperature.ipynb), above all the soft term with its T². You should also
# know what an optimiser is.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %%
import math
import torch
import torch.nn.functional as F
from distill_kit import Materials, Run, Settings, distillation_loss, plotting
from distill_kit import colours, load_dataset, load_teacher
from distill_course import Prediction, check, drawings
from distill_course.notebook import EPOCHS

# %% [markdown]
# ## The loss, in six lines
#
# You have written the soft term already. The hard term is cross-entropy with the labels. It has a special case: an
# image may have no label. The teacher speaks about such an image, too. So it stays in the batch, and its label is -100.

# %% [markdown] exercise: hard_term
# Write the hard term: cross-entropy with the labels, the mean over those rows that have a label. The label -100 says
# "not known". Where no row has a label, the hard term is 0. For two rows of logits, both 2 and 0, with the labels 0 and
# -100 it gives 0.13.

# %% answer
def hard_term(student_logits, labels):
    """student_logits [N, C], labels [N] with -100 for "not known" -> one number."""
    labelled = (labels != -100).sum().clamp(min=1)
    return F.cross_entropy(student_logits, labels, reduction="sum") / labelled

# %% [markdown] hints
# 1. A mean is a sum divided by a number of rows. Which rows are in the sum, and which must be counted?
# 2. `F.cross_entropy` leaves out rows with -100 by itself (`ignore_index`). What does its mean divide by where none
#    is left? `reduction='sum'` leaves the dividing to you.
# 3. `F.cross_entropy(student_logits, labels, reduction='sum') / (labels != -100).sum().clamp(min=1)`

# %% [markdown] also
# `F.cross_entropy` by itself does the same, except for a batch without any label, where it gives 0 / 0.

# %% [markdown]
# Now comes the whole loss. Its six lines are: how many rows have a label; the hard term; the student's logarithms; the
# teacher's probabilities, through which no gradient goes; the soft term with its T²; the weighted sum of both terms.
# Remember that alpha is the weight of the *hard* term.

# %%
def six_lines(student_logits, teacher_logits, labels, T, alpha):
    labelled = (labels != -100).sum().clamp(min=1)
    hard = F.cross_entropy(student_logits, labels, reduction="sum") / labelled
    log_student = (student_logits / T).log_softmax(dim=1)
    from_teacher = (teacher_logits.detach() / T).softmax(dim=1)
    soft = T**2 * F.kl_div(log_student, from_teacher, reduction="batchmean")
    return alpha * hard + (1 - alpha) * soft

# %% [markdown]
# Is it what the kit's `distillation_loss` computes? Compare them on random logits, where every fourth label is missing:

# %%
student_logits, teacher_logits = torch.randn(2, 64, 10)
labels = torch.randint(10, (64,))
labels[::4] = -100
for T, alpha in ((1.0, 0.5), (4.0, 0.1), (10.0, 0.9)):
    ours = six_lines(student_logits, teacher_logits, labels, T, alpha)
    kits = distillation_loss(student_logits, teacher_logits, labels, T, alpha)
    torch.testing.assert_close(ours, kits)
    print(f"T = {T:4}, alpha = {alpha}: {ours:.4f}, twice")

# %% [markdown]
# ## Three mistakes that raise no error
#
# Each of these mistakes stands in public code, and none stops a program.
# - alpha is put on the soft term. (In much code that is what alpha *means*, so look before you copy a value.)
# - T² is forgotten.
# - `F.kl_div` is left at its `reduction="mean"`, which also divides by the number of classes.
#
# All three leave both terms as they are, and only change how loud they are beside each other. So each is the right loss
# with another alpha, times a factor. The optimiser here, AdamW, hardly notices that factor: it divides each weight's
# gradient by its usual size. Which alpha is it?

# %% tags=["nbval-check-output"]
T, alpha, classes = 4, 0.1, 10
weights = {"as it should be": (alpha, 1 - alpha), "alpha on the soft term": (1 - alpha, alpha),
           "T² forgotten": (alpha, (1 - alpha) / T**2),
           "mean, not batchmean": (alpha, (1 - alpha) / classes)}
for name, (hard, soft) in weights.items():
    print(f"{name:22}  alpha = {hard / (hard + soft):.2f}")

# %% [markdown]
# You asked for a teacher with nearly all the say, and got labels that have half of it or more. The program runs, the
# student learns, and you conclude that distillation does little. [The next notebook](03_alpha.ipynb) shows what an
# alpha costs.
#
# ## One step, slowly
#
# Now you take real images: 5,000 of them, in batches of 64 and with AdamW, as in the article that this course grew
# from. The kit's batches carry the teacher's logits beside images and labels. The teacher was asked once for each view
# of an image, mirrored or not, shifted or not. A loop that asks it again at each step learns the same, but takes
# longer.

# %%
dataset = load_dataset()
teacher, card = load_teacher(dataset)
materials = Materials(dataset, teacher, images=5_000)
settings = Settings(optimizer="adamw", batch_size=64, epochs=EPOCHS)

# %%
def fresh():
    """A student, batches and an optimiser, the same at each call."""
    run = Run(settings, materials)
    optimizer = torch.optim.AdamW(run.student.parameters(), weight_decay=0.01)
    return run.student, run.batches, optimizer

student, batches, optimizer = fresh()
images, labels, targets = next(iter(batches))        # targets: the teacher's logits
print(*(list(part.shape) for part in (images, labels, targets)))

# %% [markdown]
# **Forward**: images go in, logits come out. **Loss**: a single number.

# %%
logits = student(images)
loss = distillation_loss(logits, targets, labels, temperature=4.0, alpha=0.1)
print(f"Logits {list(logits.shape)}, loss {loss:.2f}")

# %% [markdown]
# **Backward**: every weight gets a gradient. Gradients are *added* to what is there already. So a loop that forgets
# `zero_grad` follows the sum of all the batches that it has ever seen.
#
# **Clip**: how long is that gradient?

# %%
loss.backward()
before = torch.nn.utils.clip_grad_norm_(student.parameters(), max_norm=1.0)
after = torch.nn.utils.clip_grad_norm_(student.parameters(), max_norm=1.0)
print(f"Norm {before:.1f}; when it is asked again, after clipping: {after:.1f}")

# %% [markdown] exercise: clip_factor
# Clipping takes all gradients of a network as one long vector. Its norm is the root of the sum of all squares. If the
# norm is above `max_norm`, all gradients are multiplied by the same factor, so that it becomes `max_norm`. If not, they
# stay as they are. Write the factor for a layer with two gradients, its weight's and its bias's. For a weight's
# gradient of 3, a bias's of 4 and a `max_norm` of 1 it gives 0.2.

# %% answer
def clip_factor(weight, bias, max_norm):
    """weight [N, C] and bias [C], both gradients -> one number, by which both are multiplied."""
    norm = (weight.square().sum() + bias.square().sum()).sqrt()
    return (max_norm / norm).clamp(max=1)

# %% [markdown] hints
# 1. What would the norm of 3 and 4 be, as one vector, and what must it be multiplied by to become 1?
# 2. Add the squares of both, then take the root. Then see to it that the factor is never above 1: `clamp`.
# 3. `norm = (weight.square().sum() + bias.square().sum()).sqrt()`, then `(max_norm / norm).clamp(max=1)`.

# %% [markdown] also
# `torch.nn.utils.clip_grad_norm_` does this for all parameters at once, and returns the norm before it.

# %% [markdown]
# **Step**: the optimiser moves every weight a little. Afterwards the loss of the same batch must be lower.

# %%
optimizer.param_groups[0]["lr"] = 0.001
optimizer.step()
again = distillation_loss(student(images), targets, labels, temperature=4.0, alpha=0.1)
print(f"Loss of the same batch: {loss:.2f}, then {again:.2f}")

# %% [markdown]
# **Schedule**: the next step has another learning rate. It rises through the first epoch, which is called warm-up. Then
# it falls.

# %% [markdown] exercise: learning_rate_at
# Write the learning rate of the course. In warm-up it rises by equal amounts: peak / (warmup_steps + 1) at step 0, the
# peak at step `warmup_steps`. From there it falls along half a cosine wave, and would be 0 at step `steps`, one after
# the last. Half such a wave is (1 + cos(π · progress)) / 2, with a progress from 0 to 1. At step 3, with a peak of 1,
# one step of warm-up and 5 steps in all, it gives 0.5.

# %% answer
def learning_rate_at(step, peak, warmup_steps, steps):
    """step 0, 1, ... of `steps` -> its learning rate, one number."""
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (steps - warmup_steps)
    return peak * (1 + math.cos(math.pi * progress)) / 2

# %% [markdown] hints
# 1. How far has the way down been gone at step `warmup_steps`, and how far at step `steps`?
# 2. Two cases: an `if` for warm-up, and the wave for all that comes after. The progress counts from the end of
#    warm-up, and is divided by the steps that are left then.
# 3. `progress = (step - warmup_steps) / (steps - warmup_steps)`, and after warm-up `peak * (1 + math.cos(math.pi *
#    progress)) / 2`.

# %% [markdown] also
# The kit's is `warmup_cosine` in `distill_kit/schedules.py`.

# %% [markdown]
# The kit's `cosine` and `linear` arrive at the last of the steps that they are given. But the rate should be 0 one step
# *after* the last, so that no step stands still. Hence the + 1 below: it is your formula.

# %%
from distill_kit.schedules import constant, cosine, linear, warmup_cosine, warmup_then
peak, warmup, steps = 0.01, len(batches), EPOCHS * len(batches)
down = steps - warmup + 1
falls = {"cosine": cosine(peak, 0.0, down), "straight line": linear(peak, 0.0, down),
         "constant": constant(peak)}

# %%
figure, (ax,) = plotting.new_figure(1, width=6.5)
for (name, fall), (colour, dash, _) in zip(falls.items(), colours.LINES):
    rate = warmup_then(fall, peak, warmup)
    ax.plot([rate(step) for step in range(steps)], linestyle=dash, color=colour, label=name)
ax.set(xlabel="step", ylabel="learning rate")
ax.legend(frameon=False)
figure

# %% [markdown]
# All three rise alike. Then one stays, and one falls in a straight line. The cosine lies above that line in the first
# half of the way and below it in the second. The article promises a cosine, imports PyTorch's, and never uses it: the
# function that it wrote is the straight line. (It also spends its first step at a rate of 0.) Does that matter? It is
# measured below, at a peak of 0.01, ten times the article's.
#
# ## The loop, in ten lines

# %%
from distill_kit.training import validate
student, batches, optimizer = fresh()
rate, step, by_hand = warmup_cosine(peak, warmup, steps), 0, []

# %%
for epoch in range(EPOCHS):
    student.train()                                  # measuring left it in eval mode
    for images, labels, targets in batches:
        optimizer.param_groups[0]["lr"] = rate(step)
        loss = distillation_loss(student(images), targets, labels, temperature=4.0, alpha=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), max_norm=1.0)
        optimizer.step()
        step += 1
    by_hand.append(validate(student, materials.watched)["val_accuracy"])

# %% [markdown]
# That is all. Note the line `student.train()`: `validate` switches to eval mode, as it must. BatchNorm scales each
# channel by averages that it keeps. In a loop that calls `train()` only once, before the first epoch, these averages
# stand still from the first validation on. KD_Lib, a library for distillation, had this fault.
#
# ## The same, from the kit
#
# Open `distill_kit/training.py` beside this page. `train` is the same loop, written as a generator. It yields a row of
# figures after each epoch. Whoever asked for the row may draw it, keep it, or stop. Around the ten lines, `train`
# checks what it is given and sums up the figures. If the loss is no longer a number, it ends with a sentence that says
# so.

# %%
from distill_kit.training import train
student, batches, optimizer = fresh()
rows = train(student, batches, materials.watched, epochs=EPOCHS, optimizer=optimizer,
             learning_rate=rate, temperature=constant(4.0), alpha=constant(0.1))

# %%
for row, accuracy in zip(rows, by_hand):
    print(f"epoch {row['epoch']}: accuracy {row['val_accuracy']:.4f}, by hand {accuracy:.4f};  "
          f"gradient norm {row['gradient_norm']:4.1f}, "
          f"clipped in {row['clipped']:.0%} of steps")

# %% [markdown]
# Two loops, one result, to the last digit (on a GPU perhaps not quite). Now look at the right end of the lines: the
# share of steps that were clipped. Keep it in mind.
#
# ## Which habit is worth what?
#
# Warm-up, a learning rate that falls, clipping, weight decay, a teacher in eval mode: the article has them all, and
# measures none. Below, each **arm**, a setting of the comparison, leaves one habit out and keeps the others. There are
# five seeds an arm. The rest is as above, except that weight decay spares biases and norms. What an arm leaves out is a
# short function in `distill_course/habits.py`. Stored students are measured with the weights of their best epoch, on
# all 5,000 validation images. The epochs on the way are measured on 1,250 of them.
#
# Guess first. By how many points does a constant learning rate change the accuracy? And a teacher that answers in train
# mode? What is lost is a number below 0.

# %%
guess_constant = Prediction(..., because="", unit="points")
guess_train_mode = Prediction(..., because="", unit="points")

# %%
from distill_course import comparisons, paired, stored
habits = stored("habits")
# habits = comparisons.train("habits", dataset, teacher)
print(habits.origin)

# %%
figure, (ax,) = plotting.new_figure(1, width=6.5)
drawings.differences(paired(habits), ax)
figure

# %%
print(*paired(habits), sep="\n")

# %%
measured = {pair.arm: pair.mean for pair in paired(habits)}
print("Constant rate.", guess_constant.against(measured["constant rate"]))
print("Teacher in train mode.", guess_train_mode.against(measured["teacher in train mode"]))

# %% [markdown] rests=["habits"]
# Each row is an arm. It has a dot for each seed, a stroke for their mean, and a bar for the interval. The dashed line
# is where nothing would change. One bar lies wholly to the left of it, and one just to the right. The other four lie
# across it: that may be luck.
#
# - **A rate that falls**: without it the student ends clearly lower. *How* it falls makes no visible difference: five
#   seeds cannot tell the straight line from the real cosine.
# - **Warm-up** may be worth a little, or nothing.
# - **Clipping** was at work in every step above, and yet these seeds cannot tell whether it is there. AdamW divides
#   each weight's gradient by how large it has been lately, so a factor that all gradients share nearly cancels.
# - **Weight decay** has hardly had time: see the next cell.
# - **The teacher's mode** is what everyone warns you of, and it is the one bar on the right: a fault that helps? It has
#   a section of its own.
#
# Six intervals are six chances of a false alarm, so do not rely on an interval that only just misses zero. An interval
# across zero does not prove that there is nothing, either: half a point may hide in it. And all this holds for this
# student, this rate and these few epochs.

# %%
shrunk = 0.01 * sum(rate(step) for step in range(steps))
print(f"In {steps} steps, decay by itself makes a weight {shrunk:.1%} smaller.")

# %% [markdown]
# One more thing about warm-up: when would you have noticed that it was missing?

# %%
from dataclasses import replace
def paired_after(epoch):
    arms = {arm: [{"val_accuracy": run["epochs"]["val_accuracy"][epoch - 1]} for run in runs]
            for arm, runs in habits.arms.items()}
    return paired(replace(habits, arms=arms))

for epoch in (1, 4, 8):
    print(f"After epoch {epoch}, {paired_after(epoch)[0]}")

# %% [markdown] rests=["habits: all habits", "habits: no warm-up"]
# Not early. After the first epoch the student that skipped warm-up is clearly *ahead*: it had the full rate at once. In
# the end nothing of that is left. You cannot judge a habit by the first epoch. (The last line printed is not the figure
# from further up. Here it is the last epoch on 1,250 images, there it is the best epoch's weights on 5,000.)
#
# ## A teacher in train mode
#
# In eval mode BatchNorm uses averages that were fixed when the teacher was trained. In train mode it uses those of the
# batch at hand. Then what the teacher says of an image depends on the images around it, and the fixed averages move
# with every batch. `torch.no_grad()` prevents neither. Here are the same images twice: mixed, as they come, and in the
# order of their classes.

# %%
from copy import deepcopy
seen = dataset.validation[:1_000]
by_class = seen[seen.labels.argsort()]
def share_right(images, training):
    net = deepcopy(teacher).train(training)
    with torch.no_grad():
        logits = [net(part.to(materials.device) / 255) for part in images.images.split(50)]
    return (torch.cat(logits).argmax(dim=1).cpu() == images.labels).float().mean()

# %%
for name, images in (("mixed", seen), ("by class", by_class)):
    print(f"{name:9} eval mode {share_right(images, False):.1%} right, "
          f"train mode {share_right(images, True):.1%}")

# %% [markdown] rests=["habits: all habits", "habits: teacher in train mode"]
# In eval mode the order makes no difference. In train mode the teacher does well as long as each batch looks like the
# whole, and badly where it does not. Training batches are mixed, and therefore the arm above lost nothing. Its interval
# even lies just above zero. Six intervals were looked at, so here is a second look at the same students, on the test
# images:

# %%
print(paired(habits, figure="test_accuracy")[-1])

# %% [markdown] rests=["habits: all habits", "habits: teacher in train mode"]
# There zero lies inside: of six intervals, one that only just misses zero is no discovery. But both looks agree that
# this fault need not cost anything. No curve of accuracies shows it to you, until the day when batches are no longer
# mixed. So ask the teacher itself: `teacher.training` must be False. The kit sets it before every answer.
#
# ## Early stopping
#
# The last habit needs no training, only the rows. Training stops when some epochs in a row, the *patience*, have
# brought nothing better. The weights of the best epoch are kept. The article goes by the validation loss, which means
# something else at each T and alpha. It keeps the weights in a file of a fixed name, so that two runs at the same time
# overwrite each other's file. The kit goes by accuracy, and keeps the weights in memory.

# %% [markdown]
# Would it have stopped any of these runs, with a patience of 3? And how much better is the best epoch than the last?

# %%
def stops(curve):  # with_patience takes losses, of which less is better
    return comparisons.with_patience([-share for share in curve], 3)[0]

# %%
for arm, runs in habits.arms.items():
    curves = [run["epochs"]["val_accuracy"] for run in runs]
    stopped = sum(stops(curve) < len(curve) for curve in curves)
    gain = sum(100 * (max(curve) - curve[-1]) for curve in curves) / len(curves)
    print(f"{arm:22} stopped early: {stopped} of {len(curves)};  "
          f"best minus last: {gain:.2f} points")

# %% [markdown] rests=["habits", "how long", "whose labels: 1,000 labelled images"]
# None of them would have stopped. And best minus last is a fraction of a point. Some of it is flattery: the best epoch
# was picked on the very images that it is measured on, so the difference cannot be below 0. Here the habit did nothing.
# In [5. Convergence](05_convergence_diagnostics.ipynb) you will meet longer runs in which it does harm.
#
# ## Your turn: the learning rate
#
# Every habit above was measured at the same learning rate. Is it the right one? The lab trains with the course's faster
# optimiser, Muon, in batches of 256. Muon's steps change a bank of filters equally far in all directions. The rate on
# the slider is the peak of the schedule.

# %%
from distill_course import Lab
lab = Lab("plain", dataset, teacher)
lab

# %% [markdown] rests=["habits"]
# Three questions for the lab. Which is worse, ten times higher or ten times lower, and how do the two curves differ in
# the first epochs and in the last? At the rate that looks best, how far apart are three seeds? With 500 training
# images, does the same rate still look best?
#
# ## In five lines
#
# - The loss is six lines. Its usual mistakes raise no error and amount to another alpha than you asked for.
# - A loop is ten lines: rate, forward, loss, zero_grad, backward, clip, step; and back to train mode after each
#   measurement.
# - What mattered here: a learning rate that falls. The curve along which it falls did not.
# - Warm-up, clipping, weight decay and early stopping made no difference that five seeds could show, in runs as short
#   as these.
# - A teacher in train mode is a fault that accuracy may never show. Look at the mode, not at the curve.
#
# **Next:** [3. Alpha](03_alpha.ipynb): whom to believe, the teacher or the labels.
