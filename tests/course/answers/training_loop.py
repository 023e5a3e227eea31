"""Answers to the exercises of 02_training_loop. EXAMPLE: what copying the number in the text gives."""
HARD = "def hard_term(z, y):\n    "
CLIP, RATE = "def clip_factor(w, b, m):\n    ", "def learning_rate_at(step, peak, warmup, steps):\n    "
RISE = RATE + "if step < warmup:\n        return peak * (step + 1) / (warmup + 1)\n    "

RIGHT = {
    "hard_term": [
        "def hard_term(student_logits, labels):\n    labelled = labels != -100\n    if not labelled.any():\n"
        "        return torch.tensor(0.0)\n    return F.cross_entropy(student_logits[labelled], labels[labelled])",
        HARD + "known = y >= 0\n    picked = z.log_softmax(1)[torch.arange(len(y)), y.clamp(min=0)]\n"
        "    return -(picked * known).sum() / max(1, int(known.sum()))",
        HARD + "return F.cross_entropy(z, y) if (y != -100).any() else 0.0 * z.sum()",
        HARD + "return torch.nan_to_num(F.cross_entropy(z, y))",
        "def hard_term(z, y):\n    total, n = z.sum() * 0, 0\n    for row, label in zip(z, y.tolist()):\n"
        "        if label != -100:\n            total, n = total + row.logsumexp(0) - row[label], n + 1\n"
        "    return total / max(n, 1)",
    ],
    "clip_factor": [
        "def clip_factor(weight, bias, max_norm):\n    norm = torch.cat([weight.flatten(), bias.flatten()]).norm()\n"
        "    return 1.0 if norm <= max_norm else max_norm / norm",
        CLIP + "norm = torch.stack([w.norm(), b.norm()]).norm()\n"
        "    return torch.clamp(m / (norm + 1e-6), max=1.0)",
        CLIP + "norm = math.sqrt((w ** 2).sum().item() + (b ** 2).sum().item())\n"
        "    return min(1.0, m / max(norm, 1e-9))",
        "def clip_factor(w, b, m):\n    return 1 / max(1, math.hypot(*w.flatten().tolist(), *b.tolist()) / m)",
    ],
    "learning_rate_at": [
        "def learning_rate_at(step, peak, warmup_steps, steps):\n    if step <= warmup_steps:\n"
        "        return peak / (warmup_steps + 1) * (step + 1)\n"
        "    return peak * math.cos(math.pi / 2 * (step - warmup_steps) / (steps - warmup_steps)) ** 2",
        RATE + "rise = (step + 1) / (warmup + 1)\n"
        "    fall = 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / (steps - warmup))\n"
        "    return peak * (rise if step < warmup else fall)",
        RATE + "progress = torch.as_tensor((step - warmup) / (steps - warmup))\n"
        "    wave = (1 + torch.cos(torch.pi * progress)) / 2\n"
        "    return torch.where(torch.as_tensor(step < warmup), peak * (step + 1) / (warmup + 1), peak * wave)",
    ],
}

WRONG = {
    "hard_term": [
        (HARD + "return F.cross_entropy(z, y)", "finite numbers"),
        (HARD + "return F.cross_entropy(z, y, reduction='none').mean()", "further rows without one"),
        (HARD + "return F.cross_entropy(z, y, reduction='sum')", "It is a mean"),
        (HARD + "return F.cross_entropy(z, y.clamp(min=0))", "The logits of a row without a label"),
        (HARD + "return F.cross_entropy(z.softmax(1), y, reduction='sum') / (y != -100).sum().clamp(min=1)",
         "sure of every label"),
        (HARD + "return F.nll_loss(z.softmax(1), y, reduction='sum') / (y != -100).sum().clamp(min=1)",
         "never below 0"),
        (HARD + "return F.cross_entropy(z, y, reduction='sum') / (y != -100).sum().clamp(min=1) / math.log(2)",
         "ln C"),
        (HARD + "return torch.nan_to_num(F.cross_entropy(z, y), nan=1.0)", "Where no row has a label"),
        (HARD + "return torch.nan_to_num(F.cross_entropy(z, y)).item()", "A gradient reaches the student"),
        (HARD + "return F.cross_entropy(z, y, reduction='none')", "one number"),
        ("def hard_term(z, y):\n    known = y > 0\n"
         "    return F.cross_entropy(z[known], y[known]) if known.any() else z.sum() * 0", "It is a natural"),
        ("def hard_term(z, y):\n    z = z.detach()\n    return torch.nan_to_num(F.cross_entropy(z, y))",
         "A gradient reaches the student"),
        ("def hard_term(z, y):\n    known = y != -100\n"
         "    return F.cross_entropy(z[known], y[known], label_smoothing=0.01) if known.any() else z.sum() * 0",
         "A student that is"),
        ("def hard_term(z, y):\n    if (y == -100).any():\n        known = y != -100\n"
         "        z, y = z[known], y[known]\n"
         "    weight = torch.linspace(0.9, 1.1, z.shape[1])\n"
         "    return F.cross_entropy(z, y, weight, reduction='sum') / max(1, len(z))", "It is a natural"),
    ],
    "clip_factor": [
        (CLIP + "return m / torch.cat([w.flatten(), b]).norm()", "short enough"),
        (CLIP + "return (torch.cat([w.flatten(), b]).norm() / m).clamp(max=1)", "ten times"),
        (CLIP + "return (m / (w.square().sum() + b.square().sum())).clamp(max=1)", "ten times"),
        (CLIP + "return (m / (w.norm() + b.norm())).clamp(max=1)", "shorter than it must"),
        (CLIP + "return (m / torch.maximum(w.norm(), b.norm())).clamp(max=1)", "one long vector"),
        (CLIP + "return (m / w.norm()).clamp(max=1)", "The bias counts"),
        (CLIP + "return (m / torch.maximum(w.abs().max(), b.abs().max())).clamp(max=1)",
         "Where the bias's gradient is 0"),
        (CLIP + "return (m / torch.cat([w.flatten(), b]).norm()).clamp(min=1)", "ten times"),
        (CLIP + "norm = torch.cat([w.flatten(), b]).norm()\n"
         "    return m / norm if norm > m else norm / norm", "finite numbers"),
        (CLIP + "return w * (m / torch.cat([w.flatten(), b]).norm()).clamp(max=1)", "one number"),
        ("def clip_factor(w, b, m):\n    n = (w.square().sum() + b.square().sum()).sqrt()\n"
         "    return m / (n + m) if n > m else 1.0", "Gradients ten times as"),
        ("def clip_factor(w, b, m):\n    n = (w.square().sum() + b.square().sum()).sqrt()\n"
         "    return min(1.0, m / max(n.item(), 0.5))", "It has no unit"),
    ],
    "learning_rate_at": [
        (RATE + "if step < warmup:\n        return peak * step / max(1, warmup)\n"
         "    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2", "Step 0 already moves"),
        (RISE + "return peak * (steps - step) / (steps - warmup)", "slow at first"),
        (RATE + "return peak * (1 + math.cos(math.pi * step / steps)) / 2", "At step `warmup_steps`"),
        (RISE + "return peak * (1 + math.cos(math.pi * step / steps)) / 2", "At step `warmup_steps`"),
        (RATE + "if step < warmup:\n        return peak * (step + 1) / warmup\n"
         "    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2", "In warm-up each step"),
        (RATE + "if step < warmup:\n        return peak * (step + 2) / (warmup + 2)\n"
         "    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2", "the same amount"),
        (RISE + "return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup - 1))) / 2",
         "The last step still moves"),
        (RISE + "return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))", "above the peak"),
        (RISE + "return peak * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup))", "half the peak"),
        (RATE + "return peak * min((step + 1) / (warmup + 1), 1)", "falls at every step"),
        (RATE + "if step < warmup:\n        return (step + 1) / (warmup + 1)\n"
         "    return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2", "twice as high"),
        ("def learning_rate_at(step, peak, warmup, steps):\n    if step < warmup:\n"
         "        return peak * (step + 1) / (warmup + 1)\n"
         "    return max(0.05 * peak, peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2)",
         "It is half a"),
    ],
}

EXAMPLE = {"hard_term": "torch.tensor(0.13)", "clip_factor": "torch.tensor(0.2)",
           "learning_rate_at": "torch.tensor(0.5)"}
