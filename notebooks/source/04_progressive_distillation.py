# %% [markdown]
# # 4. Progressive distillation: what is it worth to change things on the way?
#
# {{head}}
#
# When you are through you can
#
# - write a schedule that arrives where it should, and see in a run's history that it did,
# - order images by how sure a teacher is of them, and say what else that order changes,
# - set up a fair comparison: equal steps, the same seeds, differences within pairs,
# - say what many comparisons at once do to their intervals, and correct for it.
#
# You need [the first notebook](00_start_here.ipynb): hard term, soft term, alpha, temperature, and an interval over
# seeds.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %%
import numpy as np
import torch
from distill_kit import Materials, Settings, distillation_loss, load_dataset, load_teacher
from distill_kit import colours, plotting
from distill_course import Prediction, check, drawings

# %% [markdown]
# ## A number that moves
#
# In **progressive** distillation something moves while the student trains. Four things can: alpha, the temperature, the
# images (easy ones first), and the teacher (an assistant of middle size comes between).
#
# The article that this course began with recommends the first: let alpha rise from 0.3 to 0.9, teacher first and labels
# later. It promises half a point to one and a half. You will test that, and the other three.
#
# A number that moves needs a **schedule**: a function from the step (0, 1, 2, ...) to the number. Here are five.

# %%
from distill_kit.schedules import cosine, linear
steps = 152                                                 # 8 epochs of 19 steps
alphas = {"linear": linear(0.3, 0.9, steps), "cosine": cosine(0.3, 0.9, steps),
          "linear, down": linear(0.9, 0.3, steps)}
temperatures = {"8 to 2": linear(8, 2, steps), "2 to 8": linear(2, 8, steps)}

# %%
figure, axes = plotting.new_figure(2)
for ax, schedules, name in zip(axes, (alphas, temperatures), ("alpha", "temperature")):
    for (label, schedule), (colour, dash, _) in zip(schedules.items(), colours.LINES):
        values = [schedule(step) for step in range(steps)]
        ax.plot(values, color=colour, linestyle=dash, label=label)
    ax.set(xlabel="step", ylabel=name)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
figure

# %% [markdown]
# On the left is alpha: two straight lines that cross in the middle, and half a cosine wave. The wave starts and arrives
# slowly, and is fastest in the middle. On the right is the temperature: a line down from 8 to 2, and a line up.

# %% [markdown] exercise: alpha_at
# Write `alpha_at`: a straight line from `start` at step 0 to `end` at the **last** step. Steps are counted from 0, and
# there are at least two. `step` is a tensor, so that you can ask about many at once. For five steps from 0.2 to 0.6,
# the steps 0, 2 and 4 have the alphas 0.2, 0.4 and 0.6.

# %% answer
def alpha_at(step, steps, start, end):
    """step [N], each from 0 to steps - 1 -> alpha [N]."""
    done = step / (steps - 1)
    return start + (end - start) * done

# %% [markdown] hints
# 1. With five steps, which number must stand under `step` so that step 4 has gone the whole way?
# 2. First the share of the way that is done, from 0 to 1. Then `start`, and that share of `end - start`.
# 3. `start + (end - start) * step / (steps - 1)`

# %% [markdown] also
# `torch.linspace(start, end, steps)[step]` is the same line.

# %% [markdown]
# ## Two faults in the article's loop
#
# The article's loop has these two lines:
#
# `alpha = initial_alpha + (final_alpha - initial_alpha) * (batch_count / total_batches)`
#
# `loss = distillation_loss(student_logits, teacher_logits, labels, alpha=alpha)`
#
# Each line has a fault that no error message shows. Look for it before you run the next two cells.

# %% tags=["nbval-check-output"]
article = [0.3 + (0.9 - 0.3) * (step / 10) for step in range(10)]
kit = [linear(0.3, 0.9, 10)(step) for step in range(10)]
print("the article:", *(f"{alpha:.2f}" for alpha in article))
print("the kit:    ", *(f"{alpha:.2f}" for alpha in kit))

# %% [markdown]
# With ten steps, the last one is step 9. The article divides by 10, so its alpha never gets to 0.9. With thousands of
# steps that hardly matters. With a schedule that moves once an epoch, it does.

# %% tags=["nbval-check-output"]
student, labels = torch.zeros(1, 3), torch.tensor([0])
teacher_logits = torch.tensor([[4.0, 2.0, -1.0]])
for wanted in (1.0, 2.0, 4.0, 8.0):
    passed = distillation_loss(student, teacher_logits, labels, temperature=wanted, alpha=0.3)
    forgotten = distillation_loss(student, teacher_logits, labels, alpha=0.3)
    print(f"T = {wanted:g} wanted: loss {passed:.2f}, and {forgotten:.2f} if it is forgotten")

# %% [markdown]
# The loop does not pass the temperature on. The loss has a default, 4, and takes it. If you wanted 2, you train with 4,
# and nothing says so. So **a default hides a forgotten argument**. The kit's own loop, `training.train`, has no default
# for temperature or alpha. It writes what it really used into every row of the history.
#
# ## One pair of runs
#
# One student keeps alpha at 0.3. The other begins there and goes to 0.9. Everything else is equal: first weights,
# images, their order, the number of steps.

# %%
from distill_course.notebook import EPOCHS, train_and_tell
dataset = load_dataset()
teacher, card = load_teacher(dataset)
materials = Materials(dataset, teacher, images=5_000)

# %%
at_rest = Settings(alpha=0.3, epochs=EPOCHS)
moving = Settings(alpha=0.3, final_alpha=0.9, epochs=EPOCHS)
fixed = train_and_tell(at_rest, materials, "alpha 0.3 throughout")
rising = train_and_tell(moving, materials, "alpha 0.3 to 0.9")
histories = {"fixed": fixed.history, "rising": rising.history}

# %%
figure, axes = plotting.new_figure(3, width=11)
for ax, column in zip(axes, ("alpha", "val_loss", "val_accuracy")):
    plotting.curves(histories, column, ax)
figure

# %%
print("alpha at the end of each epoch:", *(f"{row['alpha']:.2f}" for row in rising.history))
last = rising.history[-1]
print(f"terms of its loss in the end: hard {last['val_hard']:.1f}, soft {last['val_soft']:.1f}")

# %% [markdown]
# On the left is the alpha that the loop used, from the history. One line is flat, the other rises and arrives. Look at
# it whenever something moves. A history with the columns alpha and temperature would have shown both faults above.
#
# In the middle, the rising run's validation loss ends far lower. On the right, the accuracies show nothing of the kind.
# The soft term is by far the larger of the two, as printed above, and a rising alpha gives it less and less weight. So
# that loss falls because its *meaning* changes. Never compare losses across alphas, and never stop early by a loss
# whose alpha moves.
#
# And which accuracy is better? A single pair cannot tell.
#
# ## Easy images first
#
# A **curriculum** (Bengio and others, 2009) shows easy examples first. Easy for whom? Let the teacher say: an image is
# easy if the teacher's highest probability is high.

# %%
from distill_kit.metrics import answers
seen, classes = materials.training, dataset.pool.classes
shares = answers(teacher, seen).double().softmax(dim=1)                # (5000, 10)
sure, says = shares.max(dim=1)                           # how sure, of which class
order = sure.argsort(descending=True)                    # the easiest image first

# %%
shuffle = torch.randperm(8, generator=torch.Generator().manual_seed(1))
eight = torch.cat([order[100:500:100], order[-400::100]])[shuffle]
figure, axes = plotting.new_figure(8, width=8, height=1.5)
for number, (ax, place) in enumerate(zip(axes, eight), start=1):
    plotting.image(seen.images[place], ax, number)
figure

# %% [markdown]
# You see eight training images. Four belong to the tenth of which the teacher is surest, four to the tenth of which it
# is least sure. Which four are the hard ones? Write their numbers down. Then run the next cell.

# %%
for number, place in enumerate(eight, start=1):
    label, first = classes[seen.labels[place]], classes[says[place]]
    print(f"{number}: label {label}, the teacher says {first} and is {sure[place]:.0%} sure")

# %% [markdown]
# The teacher was trained on these very images, so it is surer of them than of new ones. Here only the order counts.

# %% [markdown] exercise: easiest
# Write `easiest`: the places of the images about which the teacher is surest, the surest first. Its highest probability
# at T = 1 says how sure it is. `share` says how many images: 0.5 is half of them, and the number comes out whole. For
# three images with the logits (0, 1), (5, 5) and (0, 3), a share of 2/3 gives the places 2 and 0.

# %% answer
def easiest(teacher_logits, share):
    """teacher_logits [N, C] -> places of images, [share * N]."""
    confidence = teacher_logits.softmax(dim=1).amax(dim=1)
    count = round(share * len(teacher_logits))
    return confidence.argsort(descending=True)[:count]

# %% [markdown] hints
# 1. Two images have the same highest logit. Is the teacher equally sure of both?
# 2. Go from logits to probabilities, from those to one number an image, and then to its order: `argsort`.
# 3. `teacher_logits.softmax(dim=1).amax(dim=1).argsort(descending=True)`, and of that the first ones.

# %% [markdown] also
# `confidence.topk(count).indices` sorts as well.

# %% [markdown]
# Are the teacher's easy images easy for a student, too? Ask the fixed student from above, on validation images. They
# are new to both.

# %%
new = dataset.validation
ease = answers(teacher, new).double().softmax(dim=1).amax(dim=1).argsort(descending=True)
right = answers(fixed.student, new).argmax(dim=1) == new.labels
for name, rows in zip(("easiest", "second", "third", "fourth", "hardest"), ease.chunk(5)):
    print(f"{name} fifth: the student is right on {right[rows].float().mean():.0%}")

# %% [markdown]
# It is right far more often on what the teacher finds easy, so the order means something. The kit's curriculum begins
# with the easiest 40 %, and uses all images from the middle of the run on. Which classes are in those 40 %?

# %%
first = torch.bincount(seen.labels[order[:2_000]], minlength=len(classes))
every = torch.bincount(seen.labels, minlength=len(classes))
for number in first.argsort(descending=True):
    print(f"{classes[number]:12} {first[number]:4} of {every[number]}")

# %% [markdown]
# There are far fewer images of some classes than of others. So a student that begins with easy images also begins with
# a lopsided set of classes. If a curriculum turns out worse or better, you will not know which of the two was the
# cause.
#
# ## What makes a comparison fair
#
# **Equal steps.** More steps can make a student better all by themselves. Here every **arm**, a setting of the
# comparison, takes the same number. So does the curriculum: while it has fewer images, it shows each of them more
# often.
#
# **The same seeds.** A seed decides the first weights and the order of the images. Every arm gets the same five seeds.
#
# **Differences within pairs.** Two runs with the same seed make a pair. Whatever luck they share falls out of their
# difference. So take the differences first, then their mean and their spread, as in exercise 3.3.

# %% [markdown]
# ## Many at once
#
# You are about to see eight changes against one baseline. That is eight intervals, and a 95 % interval misses the truth
# about once in twenty times. Suppose that *none* of the eight changes did anything. In how many of a hundred such races
# would at least one interval still lie clear of zero?

# %%
guess_race = Prediction(..., because="", unit="%")
guess_race

# %% [markdown]
# The cell draws ten thousand races in which every result is luck: nine arms, five seeds, nobody better than anybody.

# %%
from scipy import stats
luck = np.random.default_rng(0).normal(size=(10_000, 9, 5))            # races, arms, seeds
gains = luck[:, 1:] - luck[:, :1]                                      # (10000, 8, 5)

def clear_of_zero(level):
    interval = stats.ttest_1samp(gains, 0, axis=2).confidence_interval(level)
    return (interval.low > 0) | (interval.high < 0)                    # (10000, 8)

# %%
for level in (0.95, 1 - 0.05 / 8):
    clear = clear_of_zero(level)
    print(f"intervals at {level:.1%}: {clear.mean():.1%} of them are clear of zero, "
          f"and so is at least one in {clear.any(axis=1).mean():.0%} of the races")
print(guess_race.against(100 * clear_of_zero(0.95).any(axis=1).mean()))

# %% [markdown]
# Each interval keeps its promise: about one in twenty misses. But the race has eight chances to find a "winner" that is
# none. Independent intervals would find one more often, in $1 - 0.95^8$ of the races. These eight share a baseline: its
# luck moves them together, so they often err in the same race.
#
# The second line shows a remedy, named after **Bonferroni**: divide what may go wrong by the number of comparisons.
# With eight intervals at 1 - 0.05 / 8, the whole race goes wrong at most once in twenty times. The price is wider
# intervals.

# %% [markdown] exercise: false_alarms
# Each row is a race: a notebook like this one, with K arms and their intervals, from `lows` to `highs`. Write
# `false_alarms`: the share of the races in which at least one interval lies clear of zero, above it or below it; one
# that ends at zero does not. For the lows (-1, -1), (0.2, -1) and the highs (1, 1), (1, 1) it gives 0.5: only the
# second race has such an interval.

# %% answer
def false_alarms(lows, highs):
    """lows, highs [N, K]: N races, K arms -> one number, a share of the races."""
    clear = (lows > 0) | (highs < 0)
    return clear.any(dim=1).float().mean()

# %% [markdown] hints
# 1. Where do both ends of an interval lie if zero is not inside?
# 2. A table of true and false [N, K] first. Then one true or false for each race, and then their share.
# 3. `((lows > 0) | (highs < 0)).any(dim=1).float().mean()`

# %% [markdown] also
# `(lows * highs > 0)` says the same of an interval: both ends have the same sign.

# %% [markdown]
# ## The race
#
# Now comes the real race: CIFAR-10, eight epochs, five seeds an arm. In the end each student is measured on all 5,000
# validation images. The baseline keeps alpha at 0.3. By how many points will the article's arm, alpha 0.3 to 0.9, be
# better than that?

# %%
guess_alpha = Prediction(..., because="", unit="points")
guess_alpha

# %%
from distill_course import paired, stored
from distill_course.comparisons import train
progressive = stored("progressive")
# progressive = train("progressive", dataset, teacher)
print(progressive.origin)

# %%
figure, (ax,) = plotting.new_figure(1, height=4)
drawings.differences(paired(progressive), ax)
figure

# %%
print(*paired(progressive), sep="\n")

# %%
measured = {pair.arm: pair.mean for pair in paired(progressive)}
print(guess_alpha.against(measured["alpha 0.3 to 0.9"]))

# %% [markdown] rests=["progressive"]
# Each dot is a pair, the stroke is the mean, the band is its 95 % interval. The dashed line is zero, the baseline
# itself. The article's arm has zero inside: these seeds do not say whether a rising alpha helps or harms. They say how
# much it could be: a gain of a whole point lies **outside** its interval. One arm lies to the right of zero with its
# whole interval, and it is not about alpha: T from 8 to 2. For the other six, zero lies inside as well.
#
# And your own pair, further up? Whoever was ahead there, a single pair could not have told you this. It need not even
# be one of the five dots. Each of those runs had one thread. With another number of threads sums are rounded in another
# way, and that grows until it is like another seed. Your pair was also measured on 1,250 images, not on 5,000.
#
# The article promises half a point to a point and a half. Its default is alpha 0.7. Take *that* as the baseline.

# %%
print(*paired(progressive, "alpha 0.7 throughout"), sep="\n")

# %% [markdown] rests=["progressive: alpha 0.3 throughout", "progressive: alpha 0.7 throughout", "progressive: alpha 0.3 to 0.9"]
# Here, too, alpha 0.3 to 0.9 gains nothing that five seeds can show, and a point lies outside. Had it gained, you would
# still have to ask what alpha 0.3 throughout gains, for that needs no schedule. **A schedule has to beat the best
# constant**, not the constant that happens to be the default.
#
# Now look at the eight at once, with intervals as wide as Bonferroni asks.

# %%
level = 1 - 0.05 / 8
for pair in paired(progressive):
    wide = stats.ttest_1samp(pair.differences, 0).confidence_interval(level)
    print(f"{pair.arm}: {level:.1%} interval {wide.low:+.1f} to {wide.high:+.1f}")

# %% [markdown] rests=["progressive"]
# They are nearly twice as wide, and now zero lies inside every one, that of T 8 to 2 as well. Of eight arms one now and
# then stands out by luck. It deserves a race of its own, with new seeds. The article's arm is another matter. It was
# named *before* the race: that was a single question, and its narrow interval stands.
#
# Did pairing help? Here is the spread of the differences, and what it would be if the runs of a pair shared nothing.

# %%
scores = 100 * np.array([progressive.values(arm) for arm in progressive.arms])   # (9, 5)
within = (scores[1:] - scores[0]).var(axis=1, ddof=1).mean() ** 0.5
apart = (scores[1:].var(axis=1, ddof=1) + scores[0].var(ddof=1)).mean() ** 0.5
print(f"Spread of the differences: {within:.2f} points; "
      f"if the runs shared nothing: {apart:.2f}.")

# %% [markdown] rests=["progressive"]
# It did not help here: the luck of a seed is hardly shared. Pairing costs nothing, but it does not replace seeds.
#
# ## An assistant between
#
# One more thing can move: the teacher. If a teacher is far larger than its student, the student may not be able to
# follow it. Mirzadeh and others (2020) put a **teaching assistant** of middle size between them: the teacher teaches
# the assistant, and the assistant teaches the student. The student of this comparison is smaller than the course's
# usual student, to make the gap wider. How far apart are they here?

# %%
from distill_kit.models import STUDENTS, make_model, parameter_count
for role, name in (("student", "small"), ("assistant", "wider")):
    print(f"{role}: {parameter_count(make_model(STUDENTS[name], seen.images)):,} weights")
print(f"teacher: {parameter_count(teacher):,} weights")

# %% [markdown]
# (The teacher of Shapes-10 is itself a small one. The comparison below was made on CIFAR-10.)
#
# By how many points will the student with the assistant be better than the student that the large teacher taught
# itself? Both take the same steps. The assistant's own training comes on top.

# %%
guess_assistant = Prediction(..., because="", unit="points")
guess_assistant

# %%
assistant = stored("assistant")
# assistant = train("assistant", dataset, teacher)
figure, (ax,) = plotting.new_figure(1, width=6.5, height=1.9)
drawings.differences(paired(assistant), ax)
figure

# %%
print(assistant.origin)
print(*paired(assistant), sep="\n")
print(guess_assistant.against(paired(assistant)[0].mean))

# %% [markdown] rests=["assistant"]
# Zero lies inside the assistant's interval: it may be luck. So nothing here would pay for a second training. The lower
# row is for scale: without any teacher the small student loses far more, and that is clear of zero.
#
# "Not found" is not "not there". A third of a point either way would still fit into this interval. And this assistant
# learnt from no more than the 5,000 images that its student sees.
#
# The course has had an assistant of another kind at work all along. Its teacher of CIFAR-10 is a student itself: a
# larger network was trained first, on labels, and then taught it. That one saw all images of the pool, in more views
# than your students see, and for much longer. What did it cost, and what did it buy?

# %%
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model
card = load_model(shipped_path("cifar10"))[1]
for name, each in (("larger", card["distilled_from"]), ("yours", card)):
    print(f"{name:7} {each['parameters']:9,} weights, {each['forward_flops'] / 1e6:3.0f} "
          f"million operations an image, {each['test']['accuracy']:.1%} of the test images")

# %%
learnt = card["recipe"]
print(f"Distilled from {card['training_images']:,} images in {learnt['views']} views, "
      f"{learnt['epochs']} epochs, T = {learnt['temperature']:g}, alpha = {learnt['alpha']:g}.")

# %% [markdown]
# It gave up less than a point, and answers for less than a third of the work. Every first run waits for the teacher's
# answers, so that is time that you did not spend waiting. This is what distillation is mostly used for.
#
# ## Try it
#
# Here alpha and temperature move. The run is compared with a run that keeps both where they start.

# %%
from distill_course import Lab
lab = Lab("schedule", dataset, teacher)
lab

# %% [markdown] rests=["progressive: alpha 0.3 throughout", "progressive: alpha 0.7 throughout", "progressive: alpha 0.3 to 0.9", "progressive: alpha 0.9 to 0.3"]
# Three questions for the lab. Press *Teacher first, labels later*, and repeat it with three seeds: does the interval
# hold zero? Then press *Labels first, teacher later*: why does that schedule look so good? (What is it compared with?)
# And can you find a schedule that beats the best constant alpha? Count your tries: they are comparisons, too.
#
# ## In five lines
#
# - A schedule must reach its end at the last step; the history says what was really used. A default hides a forgotten
#   argument.
# - A loss whose alpha moves cannot be compared with another loss, nor with itself an epoch ago.
# - Compare at equal steps, with the same seeds, by differences within pairs. A curriculum also changes which classes
#   come first.
# - Eight intervals at once find a winner by luck far more often than a single interval. Name your question first, or
#   widen them.
# - Progressive alpha gained nothing here that five seeds could show, and no whole point. A schedule has to beat the
#   best constant.
#
# **Next:** [5. Convergence](05_convergence_diagnostics.ipynb): what a run's curves tell, and when to stop.
