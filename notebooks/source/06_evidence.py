# %% [markdown]
# # 6. Evidence: advice put to the test
#
# {{head}}
#
# When you are through you can
#
# - state a test before the runs: what is compared, and what the claim says of the difference,
# - read "cannot be told apart", and say how many seeds would be needed,
# - correct for many tests at once,
# - say what a control is, and name four for distillation.
#
# You need [the third notebook](03_alpha.ipynb) for intervals of paired runs, and
# [the fourth](04_progressive_distillation.ipynb) for many comparisons at once.

# %% tags=["setup"]
import sys
if "google.colab" in sys.modules:  # only on Colab; on your machine this cell does nothing
    kit = "distill_kit[course] @ git+https://github.com/distill-kit/distill_kit"
    %pip install --quiet "{kit}"

# %%
import statistics
import torch
from distill_kit import Materials, Settings, load_dataset, load_teacher, plotting
from distill_course import Prediction, check, drawings
from distill_course.evidence import CLAIMS

# %% [markdown]
# ## Advice
#
# The article that this course began with gives advice: which temperature, which alpha, what to schedule, when to stop.
# Others give much the same. Most of it comes without numbers, or with one run of each. Here each piece of advice that
# can be tested on a small machine has become a **claim**, with a test that was written down before its runs.

# %%
print(len(CLAIMS), "claims, some about the same advice. Six of them:")
for claim in list(CLAIMS.values())[::7]:
    print("-", claim.says)

# %% [markdown]
# ## State the test first
#
# "The best temperature is 4 to 8." What would you have to see to give that up? Decide it *before* you look at results.
# Afterwards it is too easy to find a reading that fits. A test needs four things.
#
# 1. **What is compared.** Say, the best temperature of 4, 6 and 8 with the best of all others. "Best" is chosen on
#    validation images, and the difference is measured on test images. Else the choice itself would flatter it.
# 2. **In pairs.** Both runs of a pair have the same seed.
# 3. **What the claim says of the difference.** Above 0, for "better". Within half a point of 0, for "the same": that is
#    what we shall call so. From a half to one and a half, where the article promises just that.
# 4. **The verdict.** Where the 95 % interval of the mean difference lies wholly inside of what the claim says, it
#    **holds**. Where it lies wholly outside, it **does not hold**. Else it is **not decided**, and that is a result.
#
# How many of these claims hold, with a small student on CIFAR-10? Put your number in place of the `...`.

# %%
guess = Prediction(..., because="", unit="claims")
guess

# %% [markdown] exercise: verdicts
# Write `verdicts`. The intervals are from `low` to `high`; the claim says that the difference is `above` a number and
# `below` another; the two ends belong to it. Return 1 where a claim holds, -1 where it does not, 0 where it is not
# decided. For the intervals 0.6 to 1.2, 0.2 to 0.9 and -0.4 to 0.3, and a claim of 0.5 to 1.5, that is 1, 0, -1.

# %% answer
def verdicts(low, high, above, below):
    """low, high [N], numbers above and below -> 1, 0 or -1, [N]."""
    holds = (low >= above) & (high <= below)
    fails = (high < above) | (low > below)
    return holds.long() - fails.long()

# %% [markdown] hints
# 1. When does an interval lie wholly inside? Which two comparisons say so?
# 2. Outside there are two places: wholly below `above`, or wholly above `below`.
# 3. `((low >= above) & (high <= below)).long() - ((high < above) | (low > below)).long()`

# %% [markdown] also
# "Not decided" is no failure of the test. It says that so many seeds cannot tell, and that whoever is sure without more
# is guessing.

# %% [markdown]
# ## The map
#
# Behind these claims stand the course's stored runs, and most of all its **atlas**: quick runs of the default student
# (8 epochs, 5,000 images) over temperature and alpha, five seeds or more a cell. Ask it for settings, and it returns
# their runs.

# %%
from distill_course.atlas import measured

def cell(**changes):
    return measured(Settings(**{"data": "cifar10", "epochs": 8, **changes}))

def test(figure="test_accuracy", **changes):
    return [run[figure] for run in cell(**changes).runs]

# %%
print(*(f"{100 * share:.1f}" for share in test(temperature=4.0, alpha=0.1)))
print(cell(temperature=4.0, alpha=0.1).origin)

# %%
from distill_course.statistics import interval
temperatures, alphas = (1, 2, 3, 4, 6, 8, 12, 16), (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
places = [(alpha, float(t)) for alpha in alphas for t in temperatures]
grid = [test(alpha=alpha, temperature=t)[:5] for alpha, t in places]
validation = [test("val_accuracy", alpha=alpha, temperature=t) for alpha, t in places]
means = [100 * statistics.fmean(shares) for shares in grid]
halves = [50 * (high - low) for low, high in map(interval, grid)]

# %% [markdown]
# Which cell is the best? The highest number on the map is the highest of 48, and some of it is luck. So choose the best
# on *validation* images. And which others are surely worse? **Dunnett's test** (1955) holds many groups against one,
# and is made so that all of its answers together are wrong one time in twenty.

# %%
from distill_course.statistics import told_apart
chosen = [statistics.fmean(shares) for shares in validation]
best = chosen.index(max(chosen))
apart = told_apart(grid, best)
framed = [divmod(k, len(temperatures)) for k, differs in enumerate(apart) if not differs]

# %%
figure, (ax,) = plotting.new_figure(1, width=8.5, height=4.5)
means, halves = (torch.tensor(each).view(6, 8).numpy() for each in (means, halves))
drawings.heat_map(means, alphas, temperatures, ax, "temperature", "alpha", framed, halves)
title = ax.set_title("best on validation images: alpha {:g}, T = {:g}".format(*places[best]))
figure

# %%
print(f"not told apart from it: {len(framed)} of {len(places)} cells")

# %% [markdown] rests=["surface"]
# Each square is the mean test accuracy of five students, with half of its 95 % interval below. A frame stands around
# the best, which the title names, and around all that this test cannot tell apart from it. That is no ridge and no
# peak: it is a plateau. What is surely worse lies at its edges: low temperatures, alphas that leave the teacher little
# to say, and a square at the highest temperature.

# %% [markdown]
# The same map lies behind the lab. Move a slider and look at the band before your student gets there: it is a cell of
# the atlas. Where does your single run end, inside or outside? And which stops come out the same, in the words below?

# %%
from distill_course import Lab
dataset = load_dataset()
teacher, card = load_teacher(dataset)
Lab("plain", dataset, teacher)

# %% [markdown]
# Now cut the map along alpha = 0.1, the kit's own, and alpha = 0.7, the article's. Two very high temperatures are there
# as well.

# %%
every = (*temperatures, 32, 64)
by_t = {f"alpha {alpha:g}": {t: test(alpha=alpha, temperature=float(t)) for t in every}
        for alpha in (0.1, 0.7)}
figure, (left, right) = plotting.new_figure(2, width=11)
drawings.seeds(by_t, left, "temperature", "test accuracy")
left.set_xscale("log", base=2)
ticks = left.set(xticks=every, xticklabels=every)

# %%
weights = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
by_alpha = {"": {alpha: test(alpha=alpha, temperature=4.0) for alpha in weights}}
drawings.seeds(by_alpha, right, "alpha, the weight of the labels", "test accuracy")
right.set_xticks((0, 0.1, 0.3, 0.5, 0.7, 0.9, 1))
figure

# %% [markdown] rests=["surface", "very hot"]
# The two slices have different shapes. At alpha 0.1 there is a hill, from 3 to 8. Beyond it the line comes down a
# little, and then no further: 32 and 64 are not told apart from 16. At alpha 0.7 there is no hill. The line climbs
# until 6 and about stays there. So there is no best temperature without an alpha: the more the labels weigh, the softer
# the teacher may be.
#
# Along alpha, little happens up to 0.5. Then the line falls, down to labels alone.
#
# ## How much the teacher brings
#
# You might expect: the fewer images there are, the more a teacher brings. And the longer a student trains, the less it
# needs one. Look whether that is so.

# %%
def both(values, name, **changes):
    arms = {"taught": 0.1, "labels alone": 1.0}
    return {arm: {value: test(**{name: value, "alpha": alpha, **changes}) for value in values}
            for arm, alpha in arms.items()}

# %%
figure, axes = plotting.new_figure(3, width=13)
drawings.seeds(both((500, 1_000, 2_000, 5_000, 10_000, 20_000, 45_000), "images"), axes[0],
               "training images", "test accuracy")
drawings.seeds(both((0.0, 0.2, 0.4, 0.6, 0.8, 0.9), "label_noise"), axes[1],
               "share of labels drawn anew", "test accuracy")
ends = drawings.seeds(both((4, 8, 14, 28, 56), "epochs"), axes[2], "epochs", "test accuracy")

# %%
for ax, ticks in ((axes[0], (500, 2_000, 10_000, 45_000)), (axes[2], (4, 8, 14, 28, 56))):
    ax.set_xscale("log")
    ax.set(xticks=ticks, xticklabels=[f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
ticks = axes[1].set_xticks((0, 0.2, 0.4, 0.6, 0.8))

# %%
figure

# %% [markdown] rests=["epochs", "other shares of false labels"]
# *False labels.* The taught student hardly notices them. Nine tenths of its loss come from a teacher that learnt from
# true labels. Labels alone lose two thirds of what they had.
#
# *Epochs.* The longer both train, the further apart they are. Labels alone have nothing more to say after some 28
# epochs. The teacher still has.
#
# *Images.* It looks as if the teacher brought least where there are fewest. Is that so? Eight epochs of 500 images, in
# batches of 256, are eight steps. Whoever has no time to learn has no use for a teacher either. The atlas also has 500
# images in 22 epochs with batches of 64: as many steps as 5,000 images have.

# %%
from distill_course.statistics import Paired
few = {"images": 500, "batch_size": 64, "epochs": 22}
for name, changes in {"as many steps": few, "eight epochs": {"images": 500}}.items():
    pairs = zip(test(**changes), test(alpha=1.0, **changes))
    print(Paired(f"taught, {name}", [100 * (a - b) for a, b in pairs], "labels alone"))

# %% [markdown] rests=["500 images, as many steps", "500 images, labels alone", "fewer images"]
# With enough steps, the teacher brings more for 500 images than anywhere on that line. So the line did not show what
# images are worth: something else changed along with them. Ask that of every figure you meet.
#
# ## Many tests at once
#
# There are as many tests as claims. An interval of 95 % misses the truth one time in twenty, so of so many verdicts
# some are wrong by luck alone:

# %%
from distill_course import evidence
print(f"{len(CLAIMS)} claims; by luck up to {evidence.by_luck():.1f} verdicts may be wrong")

# %% [markdown]
# You can live with that, as we do here, and say so. Or you can correct for it, and then fewer claims are decided.

# %% [markdown] exercise: holm
# Write `holm`, which corrects p values for being many (Holm, 1979). The smallest of N is multiplied by N, the second by
# N - 1, and so on to the largest, which stays. None may come out smaller than one before it in this order, and none
# above 1. The results stand where their p values stood. For 0.01, 0.04 and 0.02 that is 0.03, 0.04, 0.04.

# %% answer
def holm(p):
    """p [N] -> corrected p, [N], each in its place."""
    order = p.argsort()
    factors = torch.arange(len(p), 0, -1)
    raised = (factors * p[order]).cummax(dim=0).values.clamp(max=1)
    corrected = torch.empty_like(p)
    corrected[order] = raised
    return corrected

# %% [markdown] hints
# 1. In which order do the factors N, N - 1, ... have to stand, and how do the results come back to their places?
# 2. Sort, multiply, and then go up: `cummax` carries the largest so far along.
# 3. `result[order] = (factors * p[order]).cummax(0).values.clamp(max=1)`

# %% [markdown] also
# scipy has more such corrections, for example `scipy.stats.false_discovery_control`.

# %% [markdown]
# ## Controls
#
# A student that was taught is better. *Why?* Perhaps anything that softens its targets would do. A **control** is a run
# that has everything but the thing you believe in. Here are four:
#
# - a teacher whose answers stand beside **other images**: as soft, and wrong,
# - a teacher that was **never trained**,
# - a teacher that gives **the label 0.9** and all other classes the same: soft, and knows no more than the label,
# - **no teacher, and the time** that it would have taken spent on more epochs.

# %%
from distill_course import stored
alone = test(alpha=1.0)
controls = stored("evidence, controls")
reached = {"the teacher itself": test(), **{arm: controls.values(arm, "test_accuracy")
                                            for arm in controls.arms}}
gains = [Paired(arm, [100 * (a - b) for a, b in zip(shares, alone)], "labels alone")
         for arm, shares in reached.items()]

# %%
far = [gain for gain in gains if gain.mean < -10]  # so far that they have no place in a picture
print(*far, sep="\n")

# %%
figure, (ax,) = plotting.new_figure(1, width=8, height=2.3)
drawings.differences([gain for gain in gains if gain not in far], ax)
ax.set_xlabel("points of test accuracy beside labels alone")
figure

# %% [markdown] rests=["evidence, controls"]
# - **Other images** ("rows shuffled"): the student is ruined, for it is told what is wrong.
# - **Never trained**: ruined as well. It chases answers that differ from image to image and mean nothing.
# - **The label with 0.9**: nothing that could be told from zero. This is label smoothing. T = 4 softens it much
#   further, as it does with any teacher. So softness as such is not what helps: it is what the teacher knows about
#   *this* image.
# - **The same time**, 19 epochs in place of 8 while nothing the teacher says is kept yet: much of the gain comes
#   without any teacher, from more epochs! Whoever compares a taught student with an untaught one owes you this line.
#   But remember the epochs above: there, labels alone came to an end, and the taught student went on. And the teacher's
#   answers are kept, so that the next student does not pay for them again.
#
# ## Does a student learn its teacher's mistakes?
#
# Train two students, one with the teacher and one with labels alone. On new images, look where the teacher is wrong.

# %%
from distill_course.notebook import EPOCHS, train_and_tell
materials = Materials(dataset, teacher, images=5_000)

# %%
taught = train_and_tell(Settings(epochs=EPOCHS), materials, "taught")
untaught = train_and_tell(Settings(epochs=EPOCHS, alpha=1.0), materials, "labels alone")

# %% [markdown] exercise: beyond_control
# Write `beyond_control`: of the images on which the teacher is wrong, the share on which the student says just what the
# teacher says, less the same share of the control. If the teacher is wrong on 4 images, the student repeats 3 of its
# answers and the control 1, that is 0.5.

# %% answer
def beyond_control(labels, teacher, student, control):
    """Classes [N] each: true, and what three networks say -> a number."""
    wrong = teacher != labels
    repeats = (student == teacher)[wrong].float().mean()
    by_chance = (control == teacher)[wrong].float().mean()
    return repeats - by_chance

# %% [markdown] hints
# 1. Which images count, and of which number of images are the shares taken?
# 2. `wrong = teacher != labels` picks them. A student repeats where it says what the teacher says.
# 3. `(student == teacher)[wrong].float().mean() - (control == teacher)[wrong].float().mean()`

# %% [markdown] also
# A control that learns the same images without this teacher makes some of the same mistakes: some images are hard for
# everybody.

# %%
from distill_kit.metrics import answers
new = dataset.validation
teachers, students, others = (answers(network, new).argmax(dim=1)
                              for network in (teacher, taught.student, untaught.student))
print(f"the teacher is wrong on {(teachers != new.labels).sum()} of {len(new):,} new images")
print("beyond the control:", beyond_control(new.labels, teachers, students, others))

# %%
mistakes = stored("evidence, mistakes")
repeated = {arm: [run["epochs"]["repeats"][run["best"] - 1] for run in runs]
            for arm, runs in mistakes.arms.items()}
for arm, shares in repeated.items():
    print(f"{arm}: {statistics.fmean(shares):.1%} of the teacher's mistakes repeated")

# %%
for arm in ("taught", "taught alone, no labels"):
    more = [100 * (a - b) for a, b in zip(repeated[arm], repeated["labels alone"])]
    print(Paired(arm, more, "labels alone"))

# %% [markdown] rests=["evidence, mistakes"]
# The taught student repeats no more of its teacher's mistakes than luck may do beside one that never met the teacher.
# Most of these images are just hard. Only without any labels it repeats somewhat more. And from shuffled answers,
# chance is left: one in ten.
#
# ## Flattery
#
# The last trap is your own. Look at the test images after each epoch, report the best, and you have chosen by luck.
# From the same histories, three ways to report a run:

# %%
flattery = stored("evidence, flattery")
for arm, runs in flattery.arms.items():
    honest = [run["epochs"]["test"][run["best"] - 1] for run in runs]
    best = [100 * (max(run["epochs"]["test"]) - own) for run, own in zip(runs, honest)]
    last = [100 * (run["epochs"]["test"][-1] - own) for run, own in zip(runs, honest)]
    print(f"{arm}: chosen on validation {statistics.fmean(honest):.1%}; "
          f"last epoch {statistics.fmean(last):+.1f} points, best test epoch "
          f"{statistics.fmean(best):+.1f}")

# %% [markdown] rests=["evidence, flattery"]
# Here it is a tenth of a point or less, and for the shorter runs just what the last epoch gives as well. There are
# 10,000 test images, and the last epochs hardly differ, because the learning rate falls to zero. Nobody knows that
# beforehand. With a hundred test images, or a rate that stays high, the same habit costs more, and you would not see
# it.
#
# ## The claims, one by one
#
# A band is what a claim says. A dot is the mean difference, with its 95 % interval. It is full where the verdict is
# clear.

# %%
def shown(first, last):
    tested = list(CLAIMS.values())[first:last]
    figure, (ax,) = plotting.new_figure(1, width=11, height=0.5 * len(tested) + 1)
    drawings.claims(tested, ax)
    return figure

shown(0, 15)

# %%
shown(15, 27)

# %% [markdown]
# The last ones differ by very much. So their scale is stretched around zero.

# %%
figure = shown(27, None)
ends = (-20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20)
figure.axes[0].set_xscale("symlog", linthresh=1)
figure.axes[0].set(xticks=ends, xticklabels=ends, xlim=(-35, 35))
figure

# %% [markdown]
# The same as a table, each claim with its place in the article and its test:

# %%
from IPython.display import Markdown
Markdown(evidence.table())

# %%
from collections import Counter
verdicts_of = Counter(claim.verdict.partition(" at")[0] for claim in CLAIMS.values())
print(*(f"{verdict}: {count}" for verdict, count in verdicts_of.items()), sep="\n")
print(guess.against(verdicts_of["holds"]))

# %% [markdown] rests=["surface", "evidence, the article's recipe", "evidence, rates", "evidence, long runs"]
# Much of what does not hold comes from other networks and much longer trainings. A rate of 0.001 is small for these
# students, so that a rate that falls from there only loses time. [The second notebook](02_training_loop.ipynb), whose
# rate is ten times as high, found the opposite: there a rate that stays high costs points. That is the lesson: a
# number without its setting is a rumour. These verdicts have a setting too. They are about small students, CIFAR-10 and
# some epochs, and about nothing else.
#
# And look at the runs behind an interval, not only at the interval. Early stopping:

# %%
print(*(f"{points:+.1f}" for points in sorted(CLAIMS["patience"].differences)), "points")

# %% [markdown] rests=["evidence, long runs"]
# Half of the runs stop much too early, and half lose nothing. Their mean describes neither.
#
# Many claims are not decided. How many pairs would it take to see a difference as large as the one that was measured?
# For some that say "better":

# %%
from distill_course.statistics import pairs_needed
for claim in list(CLAIMS.values())[:25]:
    if "not decided" in claim.verdict and claim.above == 0:
        mean = statistics.fmean(claim.differences)
        count = pairs_needed(claim.differences, mean)
        print(f"{claim.says}: {mean:+.2f} points, {count} pairs")

# %% [markdown]
# With ten pairs you can see half a point or so. Whoever is sure of less has more pairs, or has not looked.
#
# What cannot be tested here is said as well:

# %%
print(*evidence.NOT_TESTED, sep="\n")

# %% [markdown]
# ## Numbers of others
#
# Does this course's code reach what others have published? Two of their experiments were written anew from their
# descriptions, and trained in a shortened form. So compare the differences and not the heights.

# %%
from distill_course.evidence import known
print(known())

# %% [markdown]
# With so few images and epochs these teachers are hardly better than their students, and there is little to hand on. And
# most of what was published is a single run of each: you now know what to ask of it.
#
# ## In five lines
#
# - A test is stated before the runs: what is compared, and what the claim says of the difference.
# - "Not decided" is a result. It says how many seeds were not enough.
# - Many tests at once are wrong somewhere. Say how often, or correct for it.
# - A control has everything but the thing that you believe in.
# - Advice is worth what its setting is worth. So say yours.
#
# **Next:** [7. Your own images, teacher and student](07_your_own.ipynb).
