"""Answers to the exercises of 05_convergence_diagnostics. EXAMPLE: what copying the number in the text gives."""
RIGHT = {
    "constant_loss": [
        "def constant_loss(labels):\n    _, counts = labels.unique(return_counts=True)\n"
        "    return torch.distributions.Categorical(counts.float()).entropy()",
        "def constant_loss(y):\n    shares = [(y == k).float().mean().item() for k in set(y.tolist())]\n"
        "    return -sum(s * math.log(s) for s in shares)",
        "def constant_loss(labels):\n    p = F.one_hot(labels).float().mean(0)\n    return torch.special.entr(p).sum()",
        "def constant_loss(labels):\n    logits = (torch.bincount(labels) + 1e-9).log()\n"
        "    return F.cross_entropy(logits.expand(len(labels), -1), labels)",
    ],
    "update_ratio": [
        "def update_ratio(before, after):\n    return torch.dist(before, after) / before.square().sum().sqrt()",
        "def update_ratio(a, b):\n    return math.sqrt(((b - a)**2).sum().item() / (a**2).sum().item())",
        "def update_ratio(a, b):\n    return F.mse_loss(b, a).sqrt() / a.square().mean().sqrt()",
    ],
    "ece": [
        "def ece(p, y, bins):\n    sure, first = p.max(1)\n    total = 0.0\n    for k in range(bins):\n"
        "        inside = (sure > k / bins) & (sure <= (k + 1) / bins)\n        if inside.any():\n"
        "            gap = sure[inside].mean() - (first == y)[inside].float().mean()\n"
        "            total += inside.float().mean() * gap.abs()\n    return total",
        "def ece(probabilities, labels, bins):\n    sure = probabilities.amax(-1)\n"
        "    right = probabilities.argmax(-1).eq(labels).float()\n"
        "    place = torch.bucketize(sure, torch.linspace(0, 1, bins + 1)[1:-1])\n"
        "    return sum((sure - right)[place == k].sum().abs() for k in range(bins)) / len(sure)",
        "def ece(p, y, n):\n    sure, first = p.max(1)\n"
        "    gaps = np.histogram(sure, n, (0, 1), weights=(sure - (first == y).float()).numpy())[0]\n"
        "    return np.abs(gaps).sum() / len(y)",
        "def ece(p, y, bins):\n    c, f = p.max(1)\n    edges = torch.linspace(0, 1, bins + 1)\n"
        "    k = (torch.searchsorted(edges, c, right=True) - 1).clamp(max=bins - 1)\n"
        "    w = F.one_hot(k, bins).float()\n    return (w.T @ (c - (f == y).float())).abs().sum() / len(y)",
    ],
    "stops_at": [
        "def stops_at(losses, patience):\n    best = 0\n    for k in range(len(losses)):\n"
        "        if losses[k] < losses[best]:\n"
        "            best = k\n        if k - best >= patience:\n            return k + 1\n    return len(losses)",
        "def stops_at(losses, patience):\n    for end in range(patience + 1, len(losses) + 1):\n"
        "        if losses[end - patience:end].min() >= losses[:end - patience].min():\n            return end\n"
        "    return losses.numel()",
        "def stops_at(x, p):\n    lowest = x.cummin(0).values\n"
        "    better = [True] + (lowest[1:] < lowest[:-1]).tolist()\n    waited = 0\n"
        "    for epoch, b in enumerate(better, 1):\n        waited = 0 if b else waited + 1\n"
        "        if waited == p:\n            return torch.tensor(epoch)\n    return len(better)",
    ],
}

WRONG = {
    "constant_loss": [
        ("def constant_loss(labels):\n    p = torch.bincount(labels) / len(labels)\n    return -(p * p.log()).sum()",
         "finite numbers"),
        ("def constant_loss(labels):\n    c = torch.bincount(labels)\n    c = c[c > 0].float()\n"
         "    return -(c * c.log()).sum()",
         "every label twice"),
        ("def constant_loss(labels):\n    c = torch.bincount(labels)\n    p = c[c > 0] / len(labels)\n"
         "    return (p * p.log()).sum()",
         "below 0"),
        ("def constant_loss(labels):\n    return math.log(labels.max().item() + 1)", "all images are of one class"),
        ("def constant_loss(labels):\n    p = torch.bincount(labels) / len(labels)\n"
         "    return torch.special.entr(p).mean()",
         "Three classes more"),
        ("def constant_loss(labels):\n    c = torch.bincount(labels)\n    p = c[c > 0] / len(labels)\n"
         "    return -(p * p.log2()).sum()",
         "it is ln C"),
        ("def constant_loss(labels):\n    p = torch.bincount(labels) / len(labels)\n"
         "    return 1 - (p * p).sum()", "it is ln C"),
        ("def constant_loss(labels):\n    return math.log(len(labels.unique()))", "even or not"),
        ("def constant_loss(labels):\n    return -(torch.bincount(labels) / len(labels)).max().log()", "even or not"),
        ("def constant_loss(labels):\n    c = torch.bincount(labels)\n    p = c[c > 0] / len(labels)\n"
         "    return -p * p.log()",
         "one number"),
        ("def constant_loss(y):\n    s = torch.bincount(y, minlength=10)[:10] / len(y)\n"
         "    return torch.special.entr(s).sum()", "Three classes more, in"),
    ],
    "update_ratio": [
        ("def update_ratio(before, after):\n    return after.norm() / before.norm()", "nothing moved"),
        ("def update_ratio(before, after):\n    return (after - before).norm()", "has no unit"),
        ("def update_ratio(before, after):\n    return (after - before).norm() / before.norm()**2", "has no unit"),
        ("def update_ratio(before, after):\n    return (after.norm() - before.norm()) / before.norm()", "below 0"),
        ("def update_ratio(before, after):\n"
         "    return (after.norm() - before.norm()).abs() / before.norm()", "only turn"),
        ("def update_ratio(before, after):\n    return (after - before).norm() / after.norm()", "weights double"),
        ("def update_ratio(before, after):\n"
         "    return ((after - before).norm() / before.norm())**2", "every sign changed"),
        ("def update_ratio(before, after):\n"
         "    return (after - before).norm() / torch.maximum(before.norm(), after.norm())",
         "weights double"),
        ("def update_ratio(before, after):\n    return ((after - before).norm(dim=1) / before.norm(dim=1)).mean()",
         "in one long column"),
        ("def update_ratio(before, after):\n    return (after - before).abs().sum() / before.abs().sum()",
         "stand still"),
        ("def update_ratio(before, after):\n"
         "    return (after - before).norm(dim=1) / before.norm(dim=1)", "one number"),
        ("def update_ratio(before, after):\n    return after.sub_(before).norm() / before.norm()", "stays as it is"),
        ("def update_ratio(a, b):\n    return (b - a).norm() / (a.norm() + 1e-2)", "It has no unit"),
    ],
    "ece": [
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * bins).long().clamp(max=bins - 1)\n"
         "    return torch.zeros(bins).index_add(0, k, s - (f == y).float()).abs().sum()", "Every image twice"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * bins).long().clamp(max=bins - 1)\n"
         "    return torch.zeros(bins).index_add(0, k, s - (f == y).float()).sum() / len(y)", "below 0"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    total = 0.0\n    for k in range(bins):\n"
         "        m = (s >= k / bins) & (s < (k + 1) / bins)\n        if m.any():\n"
         "            total += (s[m] - (f == y)[m].float()).sum().abs() / len(y)\n    return total", "always wrong"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    return (s.mean() - (f == y).float().mean()).abs()",
         "do not cancel"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    return (s - (f == y).float()).abs().mean()", "Within a bin"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * bins).long().clamp(max=bins - 1)\n"
         "    return torch.stack([(s - (f == y).float())[k == j].mean().abs() for j in k.unique()]).mean()",
         "Three times the images"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * 10).long().clamp(max=9)\n"
         "    return torch.zeros(10).index_add(0, k, s - (f == y).float()).abs().sum() / len(y)", "Their edges are 0"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * bins).long().clamp(max=bins - 1)\n"
         "    return torch.stack([(s - (f == y).float())[k == j].mean().abs() for j in k.unique()]).sum() / bins",
         "always wrong"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    return 1 - (f == y).float().mean()", "right but not sure"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * bins).long().clamp(max=bins - 1)\n"
         "    return torch.zeros(bins).index_add(0, k, s - (f == y).float()).abs() / len(y)", "one number"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * (bins + 1)).long().clamp(max=bins)\n"
         "    return torch.zeros(bins + 1).index_add(0, k, s - (f == y).float()).abs().sum() / len(y)", "1 / bins"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    c = 1 / p.shape[1]\n"
         "    k = ((s - c) / (1 - c) * bins).long().clamp(max=bins - 1)\n"
         "    return torch.zeros(bins).index_add(0, k, s - (f == y).float()).abs().sum() / len(y)", "1 / bins"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n"
         "    k = ((s - s.min()) / (s.max() - s.min() + 1e-9) * bins).long().clamp(max=bins - 1)\n"
         "    return torch.zeros(bins).index_add(0, k, s - (f == y).float()).abs().sum() / len(y)", "1 / bins"),
        ("def ece(p, y, bins):\n    s, f = p.max(1)\n    k = (s * bins).round().long()\n"
         "    return torch.zeros(bins + 1).index_add(0, k, s - (f == y).float()).abs().sum() / len(y)",
         "Too sure and too"),
    ],
    "stops_at": [
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist()):\n"
         "        best, waited = (v, 0) if v < best else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n"
         "    return len(x) - 1", "nothing stops it"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < best else (best, waited + 1)\n        if waited > p:\n"
         "            return k\n"
         "    return len(x)", "stays the best"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < best else (best, waited + 1)\n        if waited == p:\n"
         "            return k - p\n"
         "    return len(x)", "stays the best"),
        ("def stops_at(x, p):\n    waited = 0\n    for k in range(1, len(x)):\n"
         "        waited = waited + 1 if x[k] >= x[k - 1] else 0\n        if waited == p:\n            return k + 1\n"
         "    return len(x)", "Better than the epoch before"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        waited += v >= best\n        best = min(best, v)\n        if waited == p:\n            return k\n"
         "    return len(x)", "begins the waiting anew"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v <= best else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n"
         "    return len(x)", "is not better"),
        ("def stops_at(x, p):\n    return min(int(x.argmin()) + 1 + p, len(x))", "It cannot wait"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < best else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n",
         "Is there a `return`"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < best else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n"
         "    return max(len(x), 1 + p)", "before patience is"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < 0.999 * best else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n    return len(x)", "However little"),
        ("def stops_at(x, p):\n    best, waited = math.inf, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < 0.99 * best else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n    return len(x)", "However little"),
        ("def stops_at(x, p):\n    best, waited = 10.0, 0\n    for k, v in enumerate(x.tolist(), 1):\n"
         "        best, waited = (v, 0) if v < best - 1e-3 else (best, waited + 1)\n        if waited == p:\n"
         "            return k\n    return len(x)", "However little it is"),
    ],
}

EXAMPLE = {"constant_loss": "torch.tensor(0.69)", "update_ratio": "torch.tensor(0.1)", "ece": "torch.tensor(0.45)",
           "stops_at": "torch.tensor(4)"}
