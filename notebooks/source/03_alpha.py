# %% [markdown]
# # 3. Alpha: labels or teacher?
#
# {{head}}
#
# When you are through you can
#
# - say what each end of alpha means, and find out which way round somebody else's code has it,
# - choose alpha by what your labels are worth: many and true, partly false, or few,
# - compare a gain with the control that might take it away,
# - say how many runs it takes to tell two values of alpha apart.
#
# You need [the first notebook](00_start_here.ipynb). You should know what a mean and a standard deviation are.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %%
import math
import torch
import torch.nn.functional as F
from distill_kit import distillation_loss, load_dataset, load_teacher, plotting
from distill_course import Prediction, check, drawings

# %% [markdown]
# ## Two ends
#
# The loss has a hard term, for the labels, and a soft term, for the teacher. Alpha is the weight of the **hard** term.
# At alpha = 1 the student hears only the labels, at alpha = 0 only the teacher.
#
# Here are an image of class 0 and two teachers that disagree about it. Does it matter to the loss which of them speaks?

# %% tags=["nbval-check-output"]
student, label = torch.tensor([[1.0, 0.5, 0.0]]), torch.tensor([0])
one_teacher, another = torch.tensor([[0.0, 4.0, 1.0]]), torch.tensor([[3.0, 0.0, 0.0]])
for alpha in (1.0, 0.7, 0.3, 0.0):
    losses = [distillation_loss(student, says, label, 4.0, alpha)
              for says in (one_teacher, another)]
    print(f"alpha = {alpha}: loss {losses[0]:.2f} with one teacher, "
          f"{losses[1]:.2f} with the other")

# %% [markdown]
# At alpha = 1 both numbers are the same: nobody listens to the teacher.
#
# Much public code has alpha the other way round, as the weight of the *soft* term. Keras's example is like this kit and
# the article. `knowledge-distillation-pytorch`, which many have copied, is not. So "alpha = 0.9" can mean two opposite
# things. Where you do not know, set alpha to 1 and change the teacher.
#
# What do two terms want together? KL is cross-entropy with the teacher's probabilities, minus the teacher's own
# entropy. No student can change that entropy. So at T = 1 the loss is cross-entropy with a *single* target between the
# label and the teacher, apart from that number.

# %% [markdown] exercise: mixed_target
# Write `mixed_target`: the single target that stands for both, at T = 1. Alpha is the weight of the label. For a
# teacher that says 0.2 and 0.8, the label 0, and alpha = 0.5 it gives 0.6 and 0.4.

# %% answer
def mixed_target(teacher_probabilities, labels, alpha):
    """teacher_probabilities [N, C], labels int64 [N] -> target [N, C]."""
    label = F.one_hot(labels, teacher_probabilities.shape[1])
    return alpha * label + (1 - alpha) * teacher_probabilities

# %% [markdown] hints
# 1. A label is a distribution, too. How would you write it with C numbers?
# 2. `F.one_hot` turns class numbers into rows of 0 and 1. You have to give it the number of classes.
# 3. `alpha * label + (1 - alpha) * teacher_probabilities`, where `label` is one-hot

# %% [markdown] also
# `torch.lerp(teacher_probabilities, one_hot.float(), alpha)` is the same. With alpha below one half, a false label
# cannot outvote a teacher that is sure.

# %% [markdown]
# Now let the label be false: it says class 0, and the teacher is nearly sure of class 1. Give a student three free
# logits, and follow the gradient until nothing moves any more. What does the student say then?

# %% tags=["nbval-check-output"]
def settled(alpha, T):
    free = torch.zeros(1, 3, requires_grad=True)
    for _ in range(100):
        loss = distillation_loss(free, one_teacher, label, T, alpha)
        gradient, = torch.autograd.grad(loss, free)
        free = (free - gradient).detach().requires_grad_()
    return free.softmax(dim=1)[0].tolist()

# %% tags=["nbval-check-output"]
for alpha in (0.9, 0.7, 0.5, 0.3, 0.1):
    at_1, at_4 = settled(alpha, 1.0), settled(alpha, 4.0)
    print(f"alpha = {alpha}: the false class gets {at_1[0]:.2f} at T = 1, "
          f"{at_4[0]:.2f} at T = 4")

# %% [markdown]
# At T = 1 the false class gets alpha, and a little from the teacher: that is your mixed target. At T = 4 it gets less,
# and only a fraction where alpha is small. There the teacher counts for more than 1 - alpha. So an alpha without its T
# says little.
#
# ## Clean labels
#
# Now train students: 5,000 images, every label as it came with the data, T = 4. The article says that 0.7 is a strong
# default, that the best alpha lies between 0.5 and 0.8, and that below 0.3 the student depends too much on the teacher.
#
# Guess first. Compared with alpha = 0.7, how many points of validation accuracy does alpha = 1 gain or lose? (-2 is two
# points less.) And alpha = 0.1?

# %%
labels_only = Prediction(..., because="", unit="points")
labels_only

# %%
mostly_teacher = Prediction(..., because="", unit="points")
mostly_teacher

# %% [markdown]
# Five students at each alpha were trained, and their results are stored with the kit. In the end they were measured on
# all 5,000 validation images. The line with the # trains them again.

# %% tags=["nbval-ignore-output"]
from distill_course import paired, stored
from distill_course.comparisons import train
dataset = load_dataset()
teacher, card = load_teacher(dataset)
clean = stored("alpha")
# clean = train("alpha", dataset, teacher)
print(clean.origin)

# %%
figure, (ax,) = plotting.new_figure(1, width=6.5)
drawings.seeds({"": clean.by("alpha")}, ax, "alpha, the weight of the labels",
               "validation accuracy")
figure

# %%
print(*paired(clean, "alpha = 0.7"), sep="\n")
print("Against alpha = 0.1:", *paired(clean, "alpha = 0.1")[2:], sep="\n")

# %%
gain = {pair.arm: pair.mean for pair in paired(clean, "alpha = 0.7")}
print(labels_only.against(gain["alpha = 1.0"]))
print(mostly_teacher.against(gain["alpha = 0.1"]))

# %% [markdown] rests=["alpha"]
# Each small dot is a student. The line goes through the means. From 0 to 0.5 it is nearly flat. From there on it falls.
#
# Against 0.7 the intervals of 0.9 and 1 lie clear of zero: both are worse, as the article has it. All values below 0.7
# have a higher mean, but only that of 0 is clear of zero. Half a point is hard to see with five seeds and 5,000 images.
# The same students were also measured on 10,000 test images:

# %%
print(*paired(clean, "alpha = 0.7", figure="test_accuracy"), sep="\n")

# %% [markdown] rests=["alpha"]
# There all of them are *better* than 0.7, by a point or so, clear of zero. So for this student, this teacher and T = 4,
# 0.7 is no strong default. And nothing is lost below 0.3, not even at 0, where no label is read at all. Which of the
# values up to 0.5 is best, neither look can say. Two looks are also two chances of a false alarm. Here they agree in
# every sign.
#
# The intervals are about other seeds, not about other images: the same images judge all students.
#
# ## Labels that cannot be trusted
#
# Labels come from people in a hurry, or from other programs. Some are false. Make such labels on purpose:

# %% [markdown] exercise: false_labels
# Make labels that cannot be trusted. Write `false_labels`: a share of the labels, at random places, is drawn anew,
# evenly from all classes. Some of these are right again by chance. The labels that you are given stay as they are. With
# share = 0, the labels 2, 0, 1 stay 2, 0, 1.

# %% answer
def false_labels(labels, share, classes, seed):
    """labels int64 [N] -> labels [N], a share of them drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(labels.shape, generator=generator) < share
    drawn = torch.randint(classes, labels.shape, generator=generator)
    return torch.where(chosen, drawn, labels)

# %% stub
def false_labels(labels, share, classes, seed):
    """labels int64 [N] -> labels [N], a share of them drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    return ...

# %% [markdown] hints
# 1. Two things are left to chance: which labels, and which class instead. How many draws is that for each label?
# 2. `torch.rand` and `torch.randint` take `generator=generator`. `torch.where` chooses between two, place by place.
# 3. `torch.where(torch.rand(labels.shape, generator=generator) < share, drawn, labels)`

# %% [markdown] also
# `torch.randperm(len(labels), generator=generator)[:round(share * len(labels))]` are places, exactly as many as the
# share asks for. The kit does it like that, in `with_label_noise`.

# %% [markdown]
# The kit has a function for that, too. With ten classes, one in ten of the labels that it draws anew is right by
# chance.

# %%
from distill_kit.data import subset, with_label_noise
true = subset(dataset.pool, 5_000)
drawn = with_label_noise(true, 0.4, seed=0)
print(f"Still right: {(drawn.labels == true.labels).float().mean():.1%}. "
      f"Expected: {1 - 0.4 + 0.4 / len(true.classes):.1%}.")

# %% [markdown]
# Guess: take the same students, with labels like these. How many points does the teacher add now, alpha = 0.1 against
# alpha = 1?

# %%
with_false_labels = Prediction(..., because="", unit="points")
with_false_labels

# %% tags=["nbval-ignore-output"]
false = stored("alpha, false labels")
# false = train("alpha, false labels", dataset, teacher)
print(false.origin)

# %%
figure, (ax,) = plotting.new_figure(1, width=6.5)
lines = {"as they came": clean.by("alpha"), "40 % drawn": false.by("alpha")}
drawings.seeds(lines, ax, "alpha, the weight of the labels", "validation accuracy")
figure

# %%
print(*paired(false), sep="\n")
print("Against alpha = 0.1:", *paired(false, "alpha = 0.1")[2:], sep="\n")

# %%
gain = {pair.arm: pair.mean for pair in paired(false)}
with_false_labels.against(gain["alpha = 0.1"])

# %% [markdown] rests=["alpha", "alpha, false labels"]
# On the left both lines begin in the same place: at alpha = 0 no label is read. On the right they lie far apart. False
# labels cost the student without a teacher more than ten points. They cost the student with alpha = 0.1 hardly any.
#
# The choice of alpha matters more now: 0.7 falls several points behind 0.1, clear of zero. The less you can trust your
# labels, the smaller alpha should be.
#
# Try it, one run at a time:

# %%
from distill_course import Lab
lab = Lab("alpha", dataset, teacher)
lab

# %% [markdown]
# Three questions for the lab. With which share of random labels does alpha = 0.5 become clearly worse than 0.1? Without
# any, can you tell the two apart in a single run? What is left of both students when nearly all labels are drawn?
#
# ## Is that fair?
#
# Stop here. How does the teacher know better than the labels?

# %% tags=["nbval-ignore-output"]
from distill_kit.metrics import accuracy, answers
new = dataset.validation[:2_000]
for name, images in (("these images", true[:2_000]), ("images it never saw", new)):
    share = accuracy(answers(teacher, images), images.labels)
    print(f"The teacher says the label of {share:.1%} of {name}.")

# %% [markdown]
# It was trained on these very images, with their labels as they came. It hands on what was kept from the student. In
# your own work there may be no such teacher: whoever trains it has the false labels, too.
#
# So take that away. A student learns from the false labels only. Then *it* is the teacher of another student of the
# same shape, with the same images and the same false labels. Is there still a gain?

# %%
control = stored("teacher of false labels")
# control = train("teacher of false labels", dataset, teacher)
figure, (ax,) = plotting.new_figure(1, width=7, height=2.2)
drawings.differences(paired(control), ax)
figure

# %%
print(control.origin)
print(*paired(control), sep="\n")

# %% [markdown] rests=["teacher of false labels: labels alone", "teacher of false labels: a teacher that saw them too"]
# Each dot is a pair of students. The dashed line would be no gain at all. Something is left: half a point or so, clear
# of zero, from a teacher that knows nothing but the same false labels. Where does it come from? Train such a teacher,
# and ask it about the images whose labels are false.

# %% tags=["nbval-ignore-output"]
from distill_kit import Materials, Settings
from distill_course.notebook import EPOCHS, train_and_tell
settings = Settings(data=dataset.name, alpha=1.0, label_noise=0.4, epochs=EPOCHS)
misled = train_and_tell(settings, Materials(dataset, teacher), "false labels only")

# %% tags=["nbval-ignore-output"]
says, given = answers(misled.student, true).argmax(dim=1), misled.training.labels
wrong = given != true.labels
print(f"{wrong.sum():,} images have a false label. It says the label as it came for "
      f"{(says == true.labels)[wrong].float().mean():.0%} of them, the false label for "
      f"{(says == given)[wrong].float().mean():.0%}.")

# %% [markdown] rests=["teacher of false labels"]
# It repeats few of the false labels that it was trained on: images that look alike outvote them. So this teacher, too,
# is nearer to the truth than a false label, and hands that on. Yet its gain is a small part of what the course's
# teacher brings. The rest came from what the student was not given: true labels, and labels of many more images.
#
# ## Few labels
#
# Now every label is as it came, but only 1,000 of the 5,000 images have one. The hard term hears those 1,000. The soft
# term hears all 5,000: a teacher needs no label to speak. At alpha = 1 the other 4,000 images teach nothing and are
# left out.

# %%
few = stored("alpha, few labels")
# few = train("alpha, few labels", dataset, teacher)
figure, (ax,) = plotting.new_figure(1, width=6.5)
lines = {"5,000 labels": clean.by("alpha"), "1,000 labels": few.by("alpha")}
drawings.seeds(lines, ax, "alpha, the weight of the labels", "validation accuracy")
figure

# %%
print(few.origin)
print(*paired(few, "alpha = 0.1"), sep="\n")

# %% [markdown] rests=["alpha", "alpha, false labels", "alpha, few labels"]
# The picture looks like the one before: together at alpha = 0, far apart at alpha = 1. This time 0.5 falls behind 0.1
# as well, clear of zero. The hard term is a mean over the images that *have* a label. With fewer of them, each label is
# louder.
#
# The caution is the same, too: this teacher has seen the 4,000 labels that the student has not. It stands for a teacher
# from elsewhere that knows images like yours.
#
# ## T and alpha together
#
# Two sliders make a map. Each square on the left is the mean of three students. The map on the right shows how far
# those three lie apart.

# %%
grid = stored("map")
# grid = train("map", dataset, teacher)
temperatures, alphas = (1, 2, 4, 8, 16), (0.0, 0.3, 0.5, 0.7, 0.9)
runs = 100 * torch.tensor([[grid.values(f"T = {T}, alpha = {alpha}") for T in temperatures]
                           for alpha in alphas])                         # (5, 5, 3)
print(grid.origin)

# %%
figure, (left, beside) = plotting.new_figure(2, width=9)
drawings.heat_map(runs.mean(2), alphas, temperatures, left, "T", "alpha")
drawings.heat_map(runs.std(2), alphas, temperatures, beside, "T", "alpha")
left.set_title("mean, % right"), beside.set_title("standard deviation, points")
figure

# %% [markdown] rests=["map"]
# From left to right the means rise up to T = 4, and then mostly stay. From top to bottom they change little at first,
# and from T = 2 on they are lowest in the last row. The spread on the right has no pattern: a spread of three students
# is itself a rough guess.
#
# Which of these differences would you bet on? Take any two squares that share a side: is their interval clear of zero?

# %%
from scipy import stats
across, down = runs[:, 1:] - runs[:, :-1], runs[1:] - runs[:-1]
gains = torch.cat([across.reshape(-1, 3), down.reshape(-1, 3)])          # (40, 3)
clear = stats.ttest_1samp(gains, 0.0, axis=1).pvalue < 0.05
print(f"{clear.sum()} of {len(clear)} pairs of neighbours can be told apart.",
      f"Luck makes about {0.05 * len(clear):.0f}.")

# %% [markdown] rests=["map"]
# Most pairs cannot. The few that can mostly lie where the map is steep: between T = 1 and T = 4, and on the way down to
# the lowest row. The right part is a plateau, and its largest number may be luck. These runs cannot name the best T and
# alpha. They can say where *not* to be: at T = 1, and at an alpha of 0.9.
#
# Here is the row of 0.7, each temperature against T = 4:

# %%
row = [f"T = {T}, alpha = 0.7" for T in (1, 2, 8, 16)]
print(*(pair for pair in paired(grid, "T = 4, alpha = 0.7") if pair.arm in row), sep="\n")

# %% [markdown] rests=["map"]
# T = 1 is worse, clear of zero. Three students cannot tell the others from T = 4. Nor can they tell this row from the
# row of 0.5 above it, although five students on 10,000 images could, further up. Read a map for its slopes. A question
# about two squares takes more runs of those two.
#
# ## How many runs?
#
# You train one student with 0.5 and one with 0.3. One comes out ahead, as always. That means nothing until you know how
# far such a difference goes up and down by itself.

# %% [markdown] exercise: paired_interval
# Write `paired_interval`: the 95 % interval of the mean gain. First compute the gain of each pair. The interval reaches
# to both sides of their mean, by t times their standard deviation (with n - 1) over the square root of n. Gains of 1, 2
# and 3, with t = 4.30, give -0.48 and 4.48.

# %% answer
def paired_interval(before, after, t):
    """before, after [n], a pair at each place -> tensor [2]: low, high."""
    gains = after - before
    reach = t * gains.std() / math.sqrt(len(gains))
    return torch.stack([gains.mean() - reach, gains.mean() + reach])

# %% [markdown] hints
# 1. Whose spread counts here: that of the accuracies, or that of the gains?
# 2. `gains.std()` has n - 1 below already. What is still to be divided by the square root of n?
# 3. `reach = t * gains.std() / math.sqrt(len(gains))`, then the mean minus it and plus it, with `torch.stack`

# %% [markdown] also
# `paired` from `distill_course` does the same, and finds t itself.

# %% [markdown]
# Student's t depends on the number of pairs:

# %% tags=["nbval-check-output"]
print("  ".join(f"{n} pairs: {stats.t.ppf(0.975, n - 1):.2f}" for n in (2, 3, 5, 10, 30)))

# %% [markdown]
# Now train three pairs of your own. Within a pair the first weights and the order of the images are the same.

# %% tags=["nbval-ignore-output"]
arms = ["alpha = 0.5", "alpha = 0.7", "alpha = 0.3"]
mine = train("alpha", dataset, teacher, seeds=3, arms=arms, epochs=EPOCHS)

# %%
for pair in paired(mine):
    print("Single pairs:", *(f"{gain:+.1f}" for gain in pair.differences), " ", pair)

# %% [markdown] rests=["alpha: alpha = 0.7", "alpha: alpha = 0.5", "alpha: alpha = 0.3"]
# Look at the single pairs first. If you had trained only one of them, what would you have said? Then look at the
# intervals. Three pairs make wide intervals: the difference between 0.5 and 0.7 may come clear of zero, the difference
# between 0.5 and 0.3 hardly will.

# %% [markdown] exercise: pairs_needed
# Write `pairs_needed`. You have trained a few pairs: how many does it take to find a difference? With n pairs the mean
# gain has a standard error of sd / √n. Here sd is how far single gains spread (with n - 1). The difference should be
# 2.8 times that: 1.96 for the interval, and 0.84 so that four of five experiments get there. Round up, and ask for at
# least two pairs. Gains of 0, 1 and 2 have an sd of 1, and a difference of 1 then takes 8.

# %% answer
def pairs_needed(gains, difference):
    """gains [n], of pairs already trained; difference: a number -> how many pairs."""
    pairs = (2.8 * gains.std().item() / difference) ** 2
    return max(2, math.ceil(pairs))

# %% [markdown] hints
# 1. difference = 2.8 · sd / √n. What is n?
# 2. Multiply by √n, divide by the difference, and square both sides. `math.ceil` rounds up.
# 3. `max(2, math.ceil((2.8 * gains.std().item() / difference) ** 2))`

# %% [markdown] also
# Half the difference costs four times the pairs. And with few pairs t is larger than 1.96: add two.

# %% [markdown]
# How large is that spread? The seven arms with clean labels give six comparisons of neighbours, with five pairs each.

# %%
points = 100 * torch.tensor([clean.values(arm) for arm in clean.arms])   # (7, 5)
gains = points[1:] - points[:-1]                                         # (6, 5)
sd = gains.var(dim=1).mean().sqrt().item()
print(f"One pair's gain has a standard deviation of {sd:.2f} points.")
print(f"Without a common seed it would be {(2 * points.var(dim=1).mean()).sqrt():.2f}.")
# pairs_needed(gains[0], 0.3)

# %% [markdown] rests=["alpha"]
# Where part of the luck is the same for both, it cancels, and the first number is the smaller one. Here that is not to
# be seen: these students share their first weights and little else. A common seed costs nothing, but it does not
# replace pairs. Now try the rule, with gains drawn by lot. How often does the interval of n pairs find a true
# difference?

# %%
def clear_share(pairs, difference):
    by_lot = torch.Generator().manual_seed(0)
    drawn = difference + sd * torch.randn(4_000, pairs, generator=by_lot)
    return (stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05).mean()

for pairs in (2, 3, 5, 10, 20, 40, 80, 160):
    print(f"{pairs:3} pairs find 1 point in {clear_share(pairs, 1.0):4.0%}, 0.3 in "
          f"{clear_share(pairs, 0.3):4.0%}, 0.1 in {clear_share(pairs, 0.1):4.0%} of all cases")

# %% [markdown] rests=["alpha", "alpha, false labels", "alpha, few labels", "teacher of false labels", "map"]
# Read it column by column. A difference of one point needs a handful of pairs; two or three are a gamble. For 0.3 it
# takes about forty before you find it four times out of five, for a tenth of a point several hundred. Therefore these
# runs do not say whether 0.1 or 0.3 is better, and it hardly matters.
#
# For one point the rule of the exercise asks for four pairs. Three are too few, as the column shows, and even five do
# not quite get there four times out of five. The rule takes 1.96 for t, as the normal distribution has it. With few
# pairs t is larger. So where the rule says ten or less, add two.
#
# ## In five lines
#
# - Alpha is the weight of the labels here and may be the teacher's elsewhere. Set it to 1 and change the teacher to
#   find out.
# - With this teacher and T = 4, alpha from 0 to 0.5 cannot be told apart. 0.9 and above is worse, and 0.7 on the test
#   images only. At another T it can be otherwise.
# - The less the labels are worth, false or few, the smaller alpha should be, and the more it matters.
# - Ask what the teacher has seen. A teacher that knew only the same false labels was worth a twentieth of the teacher
#   that knew the true ones.
# - A single pair of runs proves nothing. The spread of a few pairs tells how many it takes.
#
# **Next:** [4. Progressive distillation](04_progressive_distillation.ipynb): alpha and T that change while the student
# trains.
