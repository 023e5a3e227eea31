"""Mutants of model answers that compute the same, or the same but for rounding: their changed lines, and the reason."""
LAST = "Of two dimensions, 1 is the last one."
ROWS = "Both have as many rows."
TIE = "Only where both are exactly equal it is another number, which no draw is."
COSINE = "The cosine of a number and of minus that number is the same."
SIGN = "Only the distance counts, and not its sign."

EQUIVALENT = {
    "holm": {"raised = (factors * p[order]).cummax(dim=-1).values.clamp(max=1)": "Of one dimension 0 is the last."},
    "soften": {"return (logits / temperature).softmax(dim=-1)": LAST},
    "entropy": {
        "logarithms = probabilities.clamp_min(2e-12).log2()": "It is as small a number.",
        "logarithms = probabilities.clamp_min(5e-13).log2()": "It is as small a number.",
        "return -(probabilities * logarithms).sum(dim=-1)": LAST},
    "soft_loss": {
        "log_student = F.log_softmax(student_logits / temperature)": "Without `dim` torch takes 1 here, and warns.",
        "teacher = F.softmax(teacher_logits.detach() / temperature)": "Without `dim` torch takes 1 here, and warns.",
        "log_student = F.log_softmax(student_logits / temperature, dim=-1)": LAST,
        "teacher = F.softmax(teacher_logits.detach() / temperature, dim=-1)": LAST},
    "soft_gradient": {
        "student = (student_logits / temperature).softmax(dim=-1)": LAST,
        "teacher = (teacher_logits / temperature).softmax(dim=-1)": LAST,
        "return (student - teacher) / (temperature * len(teacher_logits))": ROWS},
    "hard_term": {
        "labelled = (labels != -100).sum().clamp(min=0.5)": "The sum that is divided is 0 then.",
        "labelled = (labels > -100).sum().clamp(min=1)": "No label is below -100."},
    "learning_rate_at": {
        "if step <= warmup_steps:": "At step `warmup_steps` both branches give the peak.",
        "progress = (warmup_steps - step) / (steps - warmup_steps)": COSINE,
        "progress = (step - warmup_steps) / (warmup_steps - steps)": COSINE},
    "mixed_target": {"label = F.one_hot(labels, teacher_probabilities.shape[-1])": LAST},
    "false_labels": {"chosen = torch.rand(labels.shape, generator=generator) <= share": TIE},
    "pairs_needed": {
        "return max(math.ceil(pairs), 2)": "The larger of two has no order.",
        "pairs = (2.8 * gains.std() / difference) ** 2": "`math.ceil` takes a tensor as well."},
    "easiest": {
        "count = int(share * len(teacher_logits))": "The task promises a whole number.",
        "confidence = teacher_logits.log_softmax(dim=1).amax(dim=1)": "A logarithm keeps the order.",
        "confidence = teacher_logits.softmax(dim=1).amax(dim=-1)": LAST,
        "confidence = teacher_logits.softmax(dim=-1).amax(dim=1)": LAST},
    "false_alarms": {"return clear.any(dim=-1).float().mean()": LAST},
    "constant_loss": {"shares = counts[counts != 0] / len(labels)": "No count is below 0."},
    "update_ratio": {"return (before - after).norm() / before.norm()": SIGN},
    "ece": {
        "gaps = torch.zeros(bins).index_add(-1, place, confidence - right)": "Of one dimension, 0 is the last one.",
        "gaps = torch.zeros(bins).index_add(0, place, right - confidence)": SIGN,
        "confidence, first = probabilities.max(dim=-1)": LAST,
        "return gaps.abs().sum() / len(probabilities)": ROWS},
    "stops_at": {
        "best, waited = (math.inf, 1)": "The first epoch is better than infinity, and sets the counter to 0.",
        "best, waited = (math.inf, -1)": "The first epoch is better than infinity, and sets the counter to 0.",
        "for epoch, loss in enumerate(losses, start=1):": "Tensors of one number compare like numbers.",
        "if waited >= patience:": "It counts by 1, and so meets `patience` first."},
}
