"""Answers to the exercises of 01_temperature. EXAMPLE: what copying the number in the text gives."""
RIGHT = {
    "soften": [
        "def soften(logits, temperature):\n    return torch.softmax(logits / temperature, -1)",
        "def soften(logits, temperature):\n"
        "    weights = torch.exp((logits - logits.max(1, keepdim=True).values) / temperature)\n"
        "    return weights / weights.sum(1, keepdim=True)",
        "def soften(z, T):\n    return torch.stack([F.softmax(row / T, dim=0) for row in z])",
        "def soften(z, t):\n    return (z / t - torch.logsumexp(z / t, 1, keepdim=True)).exp()",
    ],
    "entropy": [
        "def entropy(probabilities):\n    return torch.special.entr(probabilities).sum(1) / math.log(2)",
        "def entropy(p):\n"
        "    return torch.stack([-sum((x * x.log2() for x in row if x > 0), torch.tensor(0.0)) for row in p])",
        "def entropy(p):\n    return -torch.where(p > 0, p * p.double().log2(), 0).sum(-1)",
        "def entropy(p):\n    return torch.distributions.Categorical(probs=p).entropy() / math.log(2)",
    ],
    "soft_loss": [
        "def soft_loss(s, t, T):\n    p = (t / T).softmax(1).detach()\n"
        "    return T * T * (torch.special.xlogy(p, p) - p * (s / T).log_softmax(1)).sum(1).mean()",
        "def soft_loss(student_logits, teacher_logits, temperature):\n"
        "    q = F.log_softmax(student_logits / temperature, -1)\n"
        "    p = F.log_softmax(teacher_logits / temperature, -1).detach()\n"
        "    return F.kl_div(q, p, reduction='sum', log_target=True) / len(q) * temperature ** 2",
        "def soft_loss(s, t, T):\n    with torch.no_grad():\n        p = F.softmax(t / T, 1)\n"
        "    return T**2 * (F.cross_entropy(s / T, p) - torch.special.entr(p).sum(1).mean())",
        "def soft_loss(s, t, T):\n    p, q = (t.detach() / T).softmax(1), (s / T).softmax(1)\n"
        "    return T**2 * (p * (p.log() - q.log())).sum(1).mean()",
    ],
    "soft_gradient": [
        "def soft_gradient(s, t, T):\n    return (F.softmax(s / T, -1) - F.softmax(t / T, -1)) / T / s.shape[0]",
        "def soft_gradient(s, t, T):\n"
        "    rows = [((a / T).softmax(0) - (b / T).softmax(0)) / (T * len(s)) for a, b in zip(s, t)]\n"
        "    return torch.stack(rows)",
        "def soft_gradient(s, t, T):\n    s = s.detach().clone().requires_grad_()\n"
        "    F.kl_div((s / T).log_softmax(1), (t / T).softmax(1), reduction='batchmean').backward()\n"
        "    return s.grad",
    ],
}

WRONG = {
    "soften": [
        ("def soften(logits, temperature):\n    return logits.softmax(1)", "Another temperature"),
        ("def soften(logits, temperature):\n    return (logits * temperature).softmax(1)", "lowers the largest"),
        ("def soften(logits, temperature):\n    return (logits / temperature).softmax(0)", "add up to 1"),
        ("def soften(logits, temperature):\n    return (logits / temperature).log_softmax(1)", "below 0"),
        ("def soften(logits, temperature):\n    return logits.softmax(1) / temperature", "add up to 1"),
        ("def soften(logits, temperature):\n    return (logits / temperature**2).softmax(1)", "A tenth of the logits"),
        ("def soften(logits, temperature):\n    return logits.div_(temperature).softmax(1)", "stays as it is"),
        ("def soften(logits, temperature):\n    return (logits / temperature).softmax(1).sum(1)", "a tensor of shape"),
        ("def soften(z, t):\n    w = (z / t).exp()\n    return w / (w.sum(1, keepdim=True) + 1e-3)",
         "The probabilities of a"),
        ("def soften(z, t):\n    p = z.softmax(1) ** (1 / t)\n"
         "    return (p / p.sum(1, keepdim=True)).round(decimals=2)", "At T = 1"),
    ],
    "entropy": [
        ("def entropy(p):\n    return -(p * p.clamp_min(1e-12).log()).sum(1)", "tossed coin has one bit"),
        ("def entropy(p):\n    return (p * p.clamp_min(1e-12).log2()).sum(1)", "below 0"),
        ("def entropy(p):\n    return -(p * p.clamp_min(1e-12).log2()).mean(1)", "One more class"),
        ("def entropy(p):\n    return -(p * p.log2()).sum(1)", "finite numbers"),
        ("def entropy(p):\n    return 1 - (p * p).sum(1)", "two equal halves"),
        ("def entropy(p):\n    return p.amax(1)", "one class has all"),
        ("def entropy(p):\n    return -(p * p.clamp_min(1e-12).log2()).sum()", "a tensor of shape"),
        ("def entropy(p):\n    return -(p * (p + 1e-3).log2()).sum(1)", "Where one class has"),
        ("def entropy(p):\n    return torch.special.entr(p).sum(1) / math.log(p.shape[1])", "One more class, of"),
    ],
    "soft_loss": [
        ("def soft_loss(s, t, T):\n    return F.kl_div((s / T).log_softmax(1), (t / T).softmax(1).detach(),\n"
         "                    reduction='batchmean')", "four times"),
        ("def soft_loss(s, t, T):\n    return T * T * F.kl_div((t / T).log_softmax(1).detach(), (s / T).softmax(1),\n"
         "                            reduction='batchmean')", "Where the teacher is sure"),
        ("def soft_loss(s, t, T):\n    return T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1).detach(),\n"
         "                            reduction='mean')", "sum over the classes"),
        ("def soft_loss(s, t, T):\n    return T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1).detach(),\n"
         "                            reduction='sum')", "mean over the rows"),
        ("def soft_loss(s, t, T):\n    return T * T * F.kl_div((s / T).softmax(1), (t / T).softmax(1).detach(),\n"
         "                            reduction='batchmean')", "At T = 1, equal logits"),
        ("def soft_loss(s, t, T):\n    return T * T * F.kl_div(s.log_softmax(1), (t / T).softmax(1).detach(),\n"
         "                            reduction='batchmean')", "every other temperature"),
        ("def soft_loss(s, t, T):\n    return T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1),\n"
         "                            reduction='batchmean')", "No gradient reaches the teacher"),
        ("def soft_loss(s, t, T):\n    with torch.no_grad():\n"
         "        return T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1),\n"
         "                                reduction='batchmean')", "A gradient reaches the student"),
        ("def soft_loss(s, t, T):\n    return -T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1).detach(),\n"
         "                             reduction='batchmean')", "never below 0"),
        ("def soft_loss(s, t, T):\n"
         "    return float(T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1), reduction='batchmean'))",
         "A gradient reaches the student"),
        ("def soft_loss(s, t, T):\n    t.detach_()\n"
         "    return T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1), reduction='batchmean')",
         "`requires_grad`"),
        ("def soft_loss(s, t, T):\n    t.requires_grad_(False)\n"
         "    return T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1), reduction='batchmean')",
         "`requires_grad`"),
        ("def soft_loss(s, t, T):\n    p = (t / T).softmax(1).detach()\n"
         "    loss = T * T * F.kl_div((s / T).log_softmax(1), p, reduction='batchmean')\n"
         "    if loss.requires_grad:\n        loss.backward()\n    return loss", "backward()"),
        ("def soft_loss(s, t, T):\n    p, q = (t / T).softmax(1), (s / T).log_softmax(1)\n"
         "    loss = T * T * F.kl_div(q, p, reduction='batchmean')\n    return loss.detach() + 0 * s.sum()",
         "A gradient reaches the"),
        ("def soft_loss(s, t, T):\n    p = (t.detach() / T).softmax(1)\n"
         "    return T * T * F.kl_div((s.detach() / T).log_softmax(1), p, reduction='batchmean') \\\n"
         "        + (s - s.detach()).sum()",
         "The student's gradient is"),
    ],
    "soft_gradient": [
        ("def soft_gradient(s, t, T):\n    return ((t / T).softmax(1) - (s / T).softmax(1)) / (T * len(s))",
         "A small step"),
        ("def soft_gradient(s, t, T):\n    return ((s / T).softmax(1) - (t / T).softmax(1)) / T", "half as large"),
        ("def soft_gradient(s, t, T):\n    return ((s / T).softmax(1) - (t / T).softmax(1)) / len(s)", "sixteen times"),
        ("def soft_gradient(s, t, T):\n    return T * ((s / T).softmax(1) - (t / T).softmax(1)) / len(s)",
         "sixteen times"),
        ("def soft_gradient(s, t, T):\n    return ((s / T).softmax(1) - t.softmax(1)) / (T * len(s))", "it is 0"),
        ("def soft_gradient(s, t, T):\n    return (s - t) / (T * T * s.shape[1] * len(s))", "adds up to 0"),
        ("def soft_gradient(s, t, T):\n    a, b = s - s.mean(1, keepdim=True), t - t.mean(1, keepdim=True)\n"
         "    return (a - b) / (T * T * s.shape[1] * len(s))", "autograd finds"),
        ("def soft_gradient(s, t, T):\n    return ((s / T).softmax(1) - (t / T).softmax(1)) / (T * s.numel())",
         "It is what autograd"),
    ],
}

EXAMPLE = {"soften": "torch.tensor([[0.73, 0.27]])", "entropy": "torch.tensor([1.5])",
           "soft_loss": "torch.tensor(0.33)",
           "soft_gradient": "torch.tensor([[-0.38, 0.38]])"}
