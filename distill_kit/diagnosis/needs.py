"""The smallest set of columns that each finding needs, for a history of one's own loop (described in history.py).

Every row may also have "epoch" and "steps". A finding that is not here needs a probe.
"""

FIRST_BATCH = ("first_loss", "first_hard", "first_soft", "first_alpha")
NEEDS: dict[str, tuple[str, ...]] = {
    "alpha_inverted": FIRST_BATCH,            # or train_loss, train_hard, train_soft, alpha
    "loss_is_another": FIRST_BATCH,
    "softmax_for_log_softmax": ("train_soft",),
    "t_squared_missing": ("first_soft", "first_temperature", "train_teacher_entropy", "classes"),
    "element_mean": ("first_soft", "first_temperature", "train_teacher_entropy", "classes"),
    "kl_swapped": ("first_soft", "first_temperature", "train_teacher_entropy", "classes"),
    "student_not_softened": ("temperature", "classes", "val_entropy", "val_teacher_entropy", "val_agreement"),
    "softmax_twice": ("temperature", "classes", "train_teacher_entropy"),
    "teacher_rows_shuffled": ("train_teacher_accuracy", "val_teacher_accuracy"),
    "false_labels": ("train_teacher_accuracy", "val_teacher_accuracy", "train_accuracy", "train_agreement"),
    "weak_teacher": ("val_teacher_accuracy",),
    "batches_in_class_order": ("label_mix",),
    "learning_rate_too_high": ("update_ratio",),   # or dead_units
    "learning_rate_too_low": ("update_ratio",),
    "clipping_too_tight": ("update_ratio", "clip_norm", "gradient_norm_median"),
    "clipping_costs_nothing": ("update_ratio", "clip_norm", "gradient_norm_median"),
    "dead_units": ("dead_units",),
    "too_few_images": ("train_accuracy", "val_accuracy"),
    "too_few_epochs": ("train_loss",),
    "student_too_small": ("train_accuracy", "val_accuracy", "steps"),
    "temperature_too_high": ("temperature",),
    "diverged": ("train_loss",),
    "overfitting": ("train_loss", "val_loss"),
    "both_stagnate": ("train_loss", "val_loss"),
    "oscillates": ("val_accuracy",),
    "still_improving": ("val_accuracy",),
    "validation_above_training": ("train_accuracy", "val_accuracy"),
}
