"""What is said of each cause: a sentence, a remedy, the experiment that would confirm it, and what looks the same."""
from .finding import Cause, Evidence, Finding

CAUSES: dict[str, Cause] = {
    # The loss
    "alpha_inverted": Cause(
        "The total is not alpha times the hard term plus the rest times the soft one; with alpha on the soft term it "
        "is.",
        "Weigh the hard term with alpha, or hand over 1 - alpha.",
        "Set alpha to 1: the teacher must then have no influence at all.", ("loss_is_another",)),
    "t_squared_missing": Cause(
        "The soft term is as much too small as if it were not multiplied by T squared.",
        "Multiply the KL divergence by T squared.",
        "Train with T = 1: if only the factor is missing, the run is then right.", ("element_mean",)),
    "element_mean": Cause(
        "The soft term is as much too small as if it were averaged over the classes as well.",
        "Use reduction=\"batchmean\" in kl_div, not \"mean\".",
        "Compute the KL divergence of one batch by hand and divide.", ("t_squared_missing",)),
    "softmax_for_log_softmax": Cause(
        "The soft term is below zero, which a KL divergence cannot be.",
        "Hand log_softmax of the student to kl_div, not softmax.",
        "Call the loss with the same logits on both sides: it must be zero.", ()),
    "kl_swapped": Cause(
        "The soft term is the KL divergence the other way round: student and teacher have changed places.",
        "In kl_div the student's log-probabilities come first, the teacher's probabilities second.",
        "Let the loss run with alpha = 0 and ask for a gradient of the teacher's logits: there must be none.", ()),
    "student_not_softened": Cause(
        "The student is far flatter than its teacher at the same T, as if its own logits were not divided by T.",
        "Divide both sides by T.",
        "Compare both entropies at T = 1: this student is as sharp there as the teacher is at T.", ("too_few_epochs",)),
    "loss_is_another": Cause(
        "The loss is none that the kit knows: one batch gives another figure.",
        "Compare your loss with distillation_loss on one batch, term by term.",
        "Set alpha to 1, then to 0: which of the terms differs?", ()),
    # The teacher
    "softmax_twice": Cause(
        "The teacher's logits differ by less than 1 from one another: they look like probabilities.",
        "Hand over the teacher's logits, before any softmax.",
        "Add up one row of the teacher's output: probabilities add up to 1.", ("weak_teacher",)),
    "weak_teacher": Cause(
        "The teacher is wrong far more often than a good one on these images.",
        "Measure the teacher alone, with the images prepared as in its own training.",
        "Evaluate the teacher on the validation images; then train with alpha = 1 and compare.",
        ("classes_permuted", "softmax_twice")),
    "classes_permuted": Cause(
        "The teacher gives the right answers under other class numbers.",
        "Bring the teacher's classes into the order of the labels.",
        "Print a confusion matrix of the teacher: full columns off the diagonal are renamed classes.",
        ("weak_teacher",)),
    "teacher_rows_shuffled": Cause(
        "The teacher is good on validation images, and says something else than the label for many training images: "
        "its answers stand beside other images.",
        "Keep the teacher's logits by the number of the image, not by its place in a shuffled loader.",
        "Ask the teacher again for one batch, and compare row by row.", ("false_labels",)),
    "teacher_in_train_mode": Cause(
        "The teacher's logits are those that it gives in train mode.",
        "Call teacher.eval() before training; torch.no_grad() does not do that.",
        "Show the teacher one image alone, then among others: in eval mode the answer is the same.", ()),
    "teacher_sees_other_view": Cause(
        "The teacher's logits belong to another crop of the same image.",
        "Show teacher and student the very same pixels.",
        "Take augmentation away: the teacher's rows must then match.", ()),
    "teacher_answers_differ": Cause(
        "The logits in a batch are not what the teacher says when it is asked again.",
        "Find out where they come from: another teacher, another preparation of the images, an old cache?",
        "Delete what was kept, and train again.", ("weak_teacher",)),
    "temperature_too_high": Cause(
        "At this temperature all of the teacher's probabilities are alike to the eye. The loss still tells them apart.",
        "Nothing has to be done; T above 10 or so changes little.",
        "Train with T = 8 and compare with three seeds.", ()),
    # Images and labels
    "false_labels": Cause(
        "Many training labels contradict a teacher that is good on validation images.",
        "Look at those images; give the labels less weight (a smaller alpha).",
        "Train with alpha = 0.1 and with alpha = 1: false labels hurt the second.", ("teacher_rows_shuffled",)),
    "batches_in_class_order": Cause(
        "The labels of a batch are far less mixed than those of the whole set.",
        "Shuffle the images before each pass.",
        "Print the labels of three batches.", ()),
    "too_few_images": Cause(
        "The student knows its training images far better than others: it learns them by heart.",
        "More images, or more views of them; images without a label will do, since the teacher speaks about them.",
        "Train with half of the images: the gap must grow.", ("overfitting",)),
    # How the student is trained
    "too_few_epochs": Cause(
        "The run ends while the student is still learning fast.",
        "Train longer.", "Double the epochs.", ("learning_rate_too_low", "student_too_small")),
    "learning_rate_too_high": Cause(
        "A step changes the weights by about as much as they are: what one step learns, the next undoes.",
        "Divide the learning rate by 10.", "Train with a third of it: the curve must rise sooner.", ("dead_units",)),
    "learning_rate_too_low": Cause(
        "The weights hardly move.", "Multiply the learning rate by 10.",
        "Train with three times as much: the first epochs must come further.", ("too_few_epochs",)),
    "clipping_too_tight": Cause(
        "The gradient is many times longer than its limit in every step, and the weights hardly move.",
        "Raise the limit above the gradient's usual length.", "Train without clipping.", ("learning_rate_too_low",)),
    "clipping_costs_nothing": Cause(
        "The gradient is far above its limit in every step. The optimiser divides its length out again.",
        "Nothing has to be done; a higher limit changes nothing either.", "Train without clipping and compare.", ()),
    "dead_units": Cause(
        "Many units answer to no image at all.",
        "Start them with a bias of 0; lower the learning rate if their number grows.",
        "Count them before the first step: dead from the start, or killed on the way?", ("learning_rate_too_high",)),
    "student_in_eval_mode": Cause(
        "Layers of the student stay in eval mode while it trains.",
        "Call student.train() at the start of each epoch, after each validation.",
        "Print module.training for each of its modules in the middle of an epoch.", ("student_too_small",)),
    "layers_not_trained": Cause(
        "Some weights are to the bit what they were before the first step.",
        "Set requires_grad to True, and hand all parameters to the optimiser.",
        "Print which parameters have a gradient after one step.", ("student_too_small",)),
    "student_too_small": Cause(
        "The student stays far below what others reach on these images, on its training images too, and nothing else "
        "explains it.",
        "Give it more channels.", "Double its width.",
        ("layers_not_trained", "student_in_eval_mode", "too_few_epochs")),
    # What curves alone say
    "diverged": Cause(
        "The loss is no longer a number, or far above where it began.", "Divide the learning rate by 10.",
        "Train with a tenth of the learning rate.", ("learning_rate_too_high",)),
    "overfitting": Cause(
        "The validation loss rises while the training loss falls.", "Stop earlier, or use more images.",
        "Look whether the accuracy falls too: a rising loss with a steady accuracy is overconfidence.",
        ("too_few_images",)),
    "both_stagnate": Cause(
        "Neither loss has moved.", "Look at the learning rate first, then at whether all layers are trained.",
        "Train with ten times the learning rate.", ("learning_rate_too_low", "layers_not_trained", "dead_units")),
    "oscillates": Cause(
        "The validation accuracy jumps up and down by more than the images that it is measured on explain.",
        "Lower the learning rate, or let it fall towards the end.", "Train with a third of the learning rate.",
        ("learning_rate_too_high", "batches_in_class_order", "student_in_eval_mode")),
    "still_improving": Cause(
        "The last epoch is the best so far, as is usual with a falling rate.", "Train longer, if time allows.",
        "Add half as many epochs.", ("too_few_epochs",)),
    "validation_above_training": Cause(
        "Validation stands above training. That alone is no fault: training figures are taken on the way, on augmented "
        "images and on whatever labels there are. False labels are one cause where it stays so to the end.",
        "Ask a good teacher how many of the labels it contradicts.",
        "Measure the student on plain training images, in eval mode.", ("false_labels",)),
}


def found(name: str, kind: str, severity: str, *evidence: Evidence, probed: bool = False,
          sentence: str | None = None) -> Finding:
    """A finding in the words of its cause; with another sentence where the cause shows itself in another way."""
    cause = CAUSES[name]
    return Finding(name, kind, severity, evidence, sentence or cause.sentence, cause.remedy, cause.experiment,
                   cause.alike, probed)
