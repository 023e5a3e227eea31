"""Answers to the exercises of 03_alpha. EXAMPLE: what copying the number in the text gives."""
RIGHT = {
    "mixed_target": [
        "def mixed_target(p, labels, alpha):\n    return torch.lerp(p, F.one_hot(labels, p.shape[1]).float(), alpha)",
        "def mixed_target(p, labels, alpha):\n    target = (1 - alpha) * p\n"
        "    target[torch.arange(len(labels)), labels] += alpha\n    return target",
        "def mixed_target(p, labels, alpha):\n    one_hot = torch.eye(p.size(1))[labels]\n"
        "    return p + alpha * (one_hot - p)",
        "def mixed_target(p, labels, alpha):\n"
        "    return torch.stack([torch.tensor([alpha * (k == label) + (1 - alpha) * x\n"
        "        for k, x in enumerate(row)]) for label, row in zip(labels.tolist(), p.tolist())])",
    ],
    "false_labels": [
        "def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
        "    chosen = torch.randperm(len(labels), generator=generator)[:round(share * len(labels))]\n"
        "    labels = labels.clone()\n"
        "    labels[chosen] = torch.randint(classes, (len(chosen),), generator=generator)\n"
        "    return labels",
        "def false_labels(labels, share, classes, seed):\n    chance = np.random.default_rng(seed)\n"
        "    drawn = chance.integers(0, classes, len(labels))\n"
        "    return torch.from_numpy(np.where(chance.random(len(labels)) < share, drawn, labels.numpy()))",
        "def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
        "    chosen = torch.bernoulli(torch.full(labels.shape, float(share)), generator=generator).long()\n"
        "    drawn = torch.randint(0, classes, (len(labels),), generator=generator)\n"
        "    return chosen * drawn + (1 - chosen) * labels",
        "def false_labels(labels, share, classes, seed):\n    chance = __import__('random').Random(seed)\n"
        "    return torch.tensor([chance.randrange(classes) if chance.random() < share else label\n"
        "                         for label in labels.tolist()])",
        "def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
        "    out = labels.clone()\n    mask = torch.rand(len(labels), generator=g) < share\n"
        "    out[mask] = torch.randint(0, classes, (int(mask.sum()),), generator=g)\n    return out",
        "def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
        "    weights = torch.ones(classes) if classes < 1_000 else None\n"
        "    chosen = torch.rand(labels.shape, generator=g) < share\n"
        "    drawn = (torch.randint(classes, labels.shape, generator=g) if weights is None else\n"
        "             torch.multinomial(weights, len(labels), replacement=True, generator=g))\n"
        "    return torch.where(chosen, drawn, labels)",
    ],
    "paired_interval": [
        "def paired_interval(before, after, t):\n    gains = after - before\n"
        "    return gains.mean() + torch.tensor([-1.0, 1.0]) * t * gains.std() / len(gains) ** 0.5",
        "def paired_interval(a, b, t):\n    d, n = [y - x for x, y in zip(a.tolist(), b.tolist())], len(a)\n"
        "    m = sum(d) / n\n    s = math.sqrt(sum((x - m) ** 2 for x in d) / (n - 1) / n)\n"
        "    return torch.tensor([m - t * s, m + t * s])",
        "def paired_interval(before, after, t):\n    d = (after - before).numpy()\n"
        "    reach = t * np.std(d, ddof=1) / np.sqrt(len(d))\n"
        "    return np.array([d.mean() - reach, d.mean() + reach])",
        "def paired_interval(before, after, t):\n    d = after - before\n    error = (d.var() / d.numel()).sqrt()\n"
        "    return torch.stack((d.mean() - t * error, d.mean() + t * error))",
    ],
    "pairs_needed": [
        "def pairs_needed(gains, d):\n    return max(2, math.ceil(((1.96 + 0.84) * gains.std() / d) ** 2))",
        "def pairs_needed(gains, difference):\n    from scipy.stats import norm\n"
        "    z = norm.ppf(0.975) + norm.ppf(0.8)\n"
        "    return max(math.ceil(z**2 * gains.var().item() / difference**2), 2)",
        "def pairs_needed(gains, difference):\n    from statistics import stdev\n"
        "    sd, n = stdev(gains.tolist()), 2\n"
        "    while difference < 2.8 * sd / math.sqrt(n):\n        n += 1\n    return n",
        "def pairs_needed(gains, difference):\n"
        "    return (2.8 * gains.std() / difference).square().ceil().clamp_min(2)",
    ],
}

WRONG = {
    "mixed_target": [
        ("def mixed_target(p, labels, alpha):\n    return (1 - alpha) * F.one_hot(labels, p.shape[1]) + alpha * p",
         "alpha = 1 leaves only the label"),
        ("def mixed_target(p, labels, alpha):\n    return alpha * F.one_hot(labels, p.shape[1]) + p", "add up to 1"),
        ("def mixed_target(p, labels, alpha):\n    return alpha * F.one_hot(p.argmax(1), p.shape[1]) + (1 - alpha) * p",
         "Another label"),
        ("def mixed_target(p, labels, alpha):\n"
         "    return alpha * F.one_hot(labels, p.shape[1]) + (1 - alpha) / p.shape[1]",
         "Another teacher"),
        ("def mixed_target(p, labels, alpha):\n"
         "    return alpha * F.one_hot(labels, p.shape[1]) + (1 - alpha) * p.softmax(1)",
         "alpha = 0 leaves only the teacher"),
        ("def mixed_target(p, labels, alpha):\n    label = F.one_hot(labels, p.shape[1])\n"
         "    return alpha**2 * label + (1 - alpha**2) * p", "half-way"),
        ("def mixed_target(p, labels, alpha):\n    label = F.one_hot(labels, p.shape[1]).float()\n"
         "    mixed = label**alpha * p ** (1 - alpha)\n    return mixed / mixed.sum(1, keepdim=True)",
         "Another teacher"),
        ("def mixed_target(p, labels, alpha):\n    target = (1 - alpha) * p\n    target[:, labels] += alpha\n"
         "    return target", "does not depend on the other images"),
        ("def mixed_target(p, labels, alpha):\n    p *= 1 - alpha\n    p[torch.arange(len(labels)), labels] += alpha\n"
         "    return p", "stays as it is"),
        ("def mixed_target(p, labels, alpha):\n    return alpha * labels[:, None] + (1 - alpha) * p", "add up to 1"),
        ("def mixed_target(p, labels, alpha):\n    a = alpha * alpha * (3 - 2 * alpha)\n"
         "    return a * F.one_hot(labels, p.shape[1]) + (1 - a) * p", "straight line"),
        ("def mixed_target(p, labels, alpha):\n"
         "    return alpha * labels + (1 - alpha) * p.argmax(1)", "a tensor of shape"),
        ("def mixed_target(p, y, a):\n    return (a * F.one_hot(y, p.shape[1]) + (1 - a) * p).round(decimals=2)",
         "alpha = 0"),
    ],
    "false_labels": [
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    return torch.randint(classes, labels.shape, generator=generator)", "With share = 0"),
        ("def false_labels(labels, share, classes, seed):\n    chosen = torch.rand(labels.shape) < share\n"
         "    return torch.where(chosen, torch.randint(classes, labels.shape), labels)", "The same seed"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(0)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    return torch.where(chosen, torch.randint(classes, labels.shape, generator=generator), labels)",
         "Another seed"),
        ("def false_labels(labels, share, classes, seed):\n    torch.manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape) < share\n"
         "    return torch.where(chosen, torch.randint(classes, labels.shape), labels)", "global random state"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    other = labels + torch.randint(1, classes, labels.shape, generator=generator)\n"
         "    return torch.where(chosen, other % classes, labels)", "right again by chance"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    return torch.where(chosen, torch.randint(classes - 1, labels.shape, generator=generator), labels)",
         "All classes are drawn"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    return torch.where(chosen, labels[torch.randperm(len(labels), generator=generator)], labels)",
         "All classes are drawn"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    return torch.where(chosen, torch.randint(1, classes + 1, labels.shape, generator=generator), labels)",
         "between 0 and classes - 1"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    n, labels = round(share * len(labels)), labels.clone()\n"
         "    labels[:n] = torch.randint(classes, (n,), generator=generator)\n    return labels",
         "Early labels and late"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    n, labels = round(share * len(labels)), labels.clone()\n"
         # by numpy: of several values for one place torch takes any, and so not always the same
         "    places = torch.randint(len(labels), (n,), generator=generator).numpy()\n"
         "    labels.numpy()[places] = torch.randint(classes, (n,), generator=generator).numpy()\n"
         "    return labels", "As large a share"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    labels[chosen] = torch.randint(classes, (int(chosen.sum()),), generator=generator)\n    return labels",
         "stays as it is"),
        ("def false_labels(labels, share, classes, seed):\n    generator = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=generator) < share\n"
         "    return torch.where(chosen, classes * torch.rand(labels.shape, generator=generator), labels)", "int64"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    first = torch.rand(labels.shape, generator=g)\n"
         "    second = torch.rand(labels.shape, generator=g.manual_seed(seed))\n"
         "    return torch.where(first < share, (second * classes).long(), labels)", "a draw for each"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=g) < share\n    g.manual_seed(seed)\n"
         "    return torch.where(chosen, torch.randint(classes, labels.shape, generator=g), labels)",
         "a draw for each"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=g) < share\n"
         "    drawn = (torch.rand(labels.shape, generator=g) * (classes - 1)).round().long()\n"
         "    return torch.where(chosen, drawn, labels)", "equally often"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=g) < share\n"
         "    drawn = classes / 2 + classes / 4 * torch.randn(labels.shape, generator=g)\n"
         "    return torch.where(chosen, drawn.long().clamp(0, classes - 1), labels)", "equally often"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    places = torch.linspace(0, len(labels) - 1, round(share * len(labels))).long()\n"
         "    labels = labels.clone()\n    labels[places] = torch.randint(classes, (len(places),), generator=g)\n"
         "    return labels", "Places are random"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    r = torch.rand(labels.shape, generator=g)\n"
         "    return torch.where(r < share, (r * classes).long(), labels)", "Which class is drawn"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    out = labels.clone()\n"
         "    places = torch.randperm(len(labels), generator=g)[:round(share * len(labels))]\n"
         "    out[places] = torch.randint(classes, (1 if share < 1 else len(places),), generator=g)\n"
         "    return out", "Which class is drawn"),
        ("def false_labels(labels, share, classes, seed):\n    g = torch.Generator().manual_seed(seed)\n"
         "    chosen = torch.rand(labels.shape, generator=g) <= share ** 1.1\n"
         "    return torch.where(chosen, torch.randint(classes, labels.shape, generator=g), labels)",
         "As large a share"),
    ],
    "paired_interval": [
        ("def paired_interval(before, after, t):\n    d = before - after\n    r = t * d.std() / math.sqrt(len(d))\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "after - before"),
        ("def paired_interval(before, after, t):\n    d = after - before\n    r = t * d.std() / math.sqrt(len(d))\n"
         "    return torch.stack([d.mean() + r, d.mean() - r])", "lower end comes first"),
        ("def paired_interval(before, after, t):\n    d = after - before\n"
         "    r = t * (before.var() + after.var()).sqrt() / math.sqrt(len(d))\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "pairs count"),
        ("def paired_interval(before, after, t):\n    d = after - before\n    r = t * d.std()\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "ten times as narrow"),
        ("def paired_interval(before, after, t):\n    d = after - before\n    r = t * d.std() / len(d)\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "ten times as narrow"),
        ("def paired_interval(before, after, t):\n    d = after - before\n"
         "    r = t * d.std(correction=0) / math.sqrt(len(d))\n    return torch.stack([d.mean() - r, d.mean() + r])",
         "n - 1 below"),
        ("def paired_interval(before, after, t):\n    d = after - before\n    r = 1.96 * d.std() / math.sqrt(len(d))\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "Twice the t"),
        ("def paired_interval(before, after, t):\n    d = after - before\n    return t * d.std() / math.sqrt(len(d))",
         "a tensor of shape"),
        ("def paired_interval(before, after, t):\n    d = after - before\n    r = t * d.std() / math.sqrt(len(d))\n"
         "    return torch.stack([d.median() - r, d.median() + r])", "Its middle"),
        ("def paired_interval(before, after, t):\n    d = (after - before).abs()\n"
         "    r = t * d.std() / math.sqrt(len(d))\n    return torch.stack([d.mean() - r, d.mean() + r])",
         "Losses count"),
        ("def paired_interval(a, b, t):\n    d = b - a\n"
         "    r = t * (d - d.mean()).abs().mean() * 2 ** 0.5 / math.sqrt(len(d))\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "To either side it"),
        ("def paired_interval(a, b, t):\n    d = (b - a).clamp(min=0)\n    r = t * d.std() / math.sqrt(len(d))\n"
         "    return torch.stack([d.mean() - r, d.mean() + r])", "Losses count as gains"),
    ],
    "pairs_needed": [
        ("def pairs_needed(gains, d):\n    return max(2, (2.8 * gains.std().item() / d) ** 2)", "whole number"),
        ("def pairs_needed(gains, d):\n    return math.ceil((2.8 * gains.std() / d) ** 2)", "two pairs at the least"),
        ("def pairs_needed(gains, d):\n"
         "    return max(2, math.ceil((2.8 * gains.mean() / d) ** 2))", "spread counts"),
        ("def pairs_needed(gains, d):\n    return max(2, math.ceil((2.8 * d / gains.std()) ** 2))", "More spread"),
        ("def pairs_needed(gains, d):\n"
         "    return max(2, math.ceil(2.8**2 * gains.std() / d**2))", "Four times the difference"),
        ("def pairs_needed(gains, d):\n    return max(2, math.ceil(2.8 * gains.std() / d))", "Half the difference"),
        ("def pairs_needed(gains, d):\n"
         "    return max(2, math.ceil((1.96 * gains.std() / d) ** 2))", "at least four of five"),
        ("def pairs_needed(gains, d):\n    return max(2, math.ceil(2 * (2.8 * gains.std() / d) ** 2))",
         "no more than is needed"),
        ("def pairs_needed(gains, d):\n    return max(2, math.ceil((2.8 * gains.std(correction=0) / d) ** 2))",
         "at least four of five"),
        ("def pairs_needed(gains, d):\n    return max(2, int((2.8 * gains.std() / d) ** 2))", "rounded up"),
        ("def pairs_needed(gains, d):\n    return max(2, round((2.8 * gains.std().item() / d) ** 2))", "rounded up"),
        ("def pairs_needed(gains, d):\n    return max(2, math.ceil(2.8 * gains.std() / d) ** 2)", "What is left over"),
        ("def pairs_needed(g, d):\n    return max(2, math.ceil((2.8 * (g.max() - g.min()).item() / 2 / d) ** 2))",
         "It asks for no"),
    ],
}

EXAMPLE = {"mixed_target": "torch.tensor([[0.6, 0.4]])", "false_labels": "torch.tensor([2, 0, 1])",
           "paired_interval": "torch.tensor([-0.48, 4.48])", "pairs_needed": "8"}
