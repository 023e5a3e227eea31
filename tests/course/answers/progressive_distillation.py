"""Answers to the exercises of 04_progressive_distillation. EXAMPLE: what copying the number in the text gives."""
RIGHT = {
    "alpha_at": [
        "def alpha_at(step, steps, start, end):\n    return torch.linspace(start, end, steps)[step]",
        "def alpha_at(step, steps, start, end):\n    done = step.double() / (steps - 1)\n"
        "    return (1 - done) * start + done * end",
        "def alpha_at(step, steps, start, end):\n"
        "    return torch.tensor([start + (end - start) * min(int(s) / (steps - 1), 1) for s in step])",
        "def alpha_at(step, steps, start, end):\n    return np.interp(step.numpy(), [0, steps - 1], [start, end])",
    ],
    "easiest": [
        "def easiest(logits, share):\n    return logits.softmax(1).amax(1).topk(round(share * len(logits))).indices",
        "def easiest(logits, share):\n    sure = torch.softmax(logits, -1).max(-1).values\n"
        "    return torch.sort(sure, descending=True).indices[:round(len(sure) * share)]",
        "def easiest(z, share):\n    loss = z.logsumexp(1) - z.max(1).values\n"
        "    return loss.argsort()[:round(share * z.shape[0])]",
        "def easiest(z, share):\n    p = z.softmax(1).max(1).values.tolist()\n"
        "    return torch.tensor(sorted(range(len(p)), key=lambda k: -p[k])[:round(share * len(p))])",
        "def easiest(z, share):\n    order = np.argsort(z.softmax(1).amax(1).numpy())[::-1]\n"
        "    return order[:round(share * len(z))]",
    ],
    "false_alarms": [
        "def false_alarms(lows, highs):\n    return (lows * highs > 0).any(1).double().mean()",
        "def false_alarms(lows, highs):\n    holds = (lows <= 0) & (highs >= 0)\n"
        "    return 1 - holds.all(dim=-1).float().mean()",
        "def false_alarms(lows, highs):\n"
        "    hits = sum(any(l > 0 or h < 0 for l, h in zip(a, b)) for a, b in zip(lows, highs))\n"
        "    return hits / len(lows)",
        "def false_alarms(lows, highs):\n    return ((lows.amax(1) > 0) | (highs.amin(1) < 0)).float().mean()",
    ],
}

WRONG = {
    "alpha_at": [
        ("def alpha_at(step, steps, start, end):\n    return start + (end - start) * step / steps", "Counted from 0"),
        ("def alpha_at(step, steps, start, end):\n    return start + (end - start) * (step + 1) / steps", "At step 0"),
        ("def alpha_at(step, steps, start, end):\n    return end + (start - end) * step / (steps - 1)", "At step 0"),
        ("def alpha_at(step, steps, start, end):\n    return start + end * step / (steps - 1)", "the same number"),
        ("def alpha_at(step, steps, start, end):\n    return start - (end - start) * step / (steps - 1)",
         "never falls"),
        ("def alpha_at(step, steps, start, end):\n    return start + 0.0 * step", "has risen"),
        ("def alpha_at(step, steps, start, end):\n    return start + (end - start) * (step // (steps - 1))",
         "the same amount"),
        ("def alpha_at(step, steps, start, end):\n"
         "    return end + (start - end) * (1 + torch.cos(math.pi * step / (steps - 1))) / 2", "the same amount"),
        ("def alpha_at(step, steps, start, end):\n    return start * (end / start) ** (step / (steps - 1))",
         "the same amount"),
        ("def alpha_at(step, steps, start, end):\n    return torch.linspace(start, end, len(step))",
         "which other steps"),
        ("def alpha_at(step, steps, start, end):\n    return start + (end - start) * step[-1] / (steps - 1)",
         "a tensor of shape"),
        ("def alpha_at(step, steps, start, end):\n"
         "    return (start + (end - start) * step / (steps - 1)).clamp(0, 0.9)", "Where `start` and `end`"),
    ],
    "easiest": [
        ("def easiest(z, share):\n    return z.softmax(1).amax(1).topk(round(share * len(z))).values", "whole numbers"),
        ("def easiest(z, share):\n    return z.softmax(1).argmax(1)[:round(share * len(z))]", "named once"),
        ("def easiest(z, share):\n    return z.softmax(1).amax(1).argsort()[:round(share * len(z))]", "comes last"),
        ("def easiest(z, share):\n    return z.amax(1).argsort(descending=True)[:round(share * len(z))]",
         "softmax does not see"),
        ("def easiest(z, share):\n    return z.softmax(1)[:, 0].argsort(descending=True)[:round(share * len(z))]",
         "which class"),
        ("def easiest(z, share):\n    return z.softmax(0).amax(1).argsort(descending=True)[:round(share * len(z))]",
         "softmax does not see"),
        ("def easiest(z, share):\n    order = z.softmax(1).amax(1).argsort(descending=True)\n    return order",
         "a tensor of shape"),
        ("def easiest(z, share):\n    top = z.topk(2, dim=1).values\n"
         "    return (top[:, 0] - top[:, 1]).argsort(descending=True)[:round(share * len(z))]", "no other measure"),
        ("def easiest(z, share):\n    order = z.softmax(1).amax(1).argsort(descending=True)[:round(share * len(z))]\n"
         "    return torch.cat([order[:1], order[1:].flip(0)])", "begin larger"),
        ("def easiest(z, share):\n    p = z.softmax(1).amax(1)\n"
         "    return p >= p.sort(descending=True).values[round(share * len(z)) - 1]", "not torch.bool"),
        ("def easiest(z, share):\n    p = z.softmax(1)\n"
         "    return (p * p).sum(1).argsort(descending=True)[:round(share * len(z))]", "How sure the teacher"),
        ("def easiest(z, share):\n    p = z.softmax(1)\n"
         "    return (p * p.log()).sum(1).argsort(descending=True)[:round(share * len(z))]", "How sure the teacher"),
    ],
    "false_alarms": [
        ("def false_alarms(lows, highs):\n    return ((lows < 0) & (highs > 0)).any(1).float().mean()", "holds zero"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0)).any(1).float().sum()", "never above 1"),
        ("def false_alarms(lows, highs):\n    return (highs < 0).any(1).float().mean()", "above zero, it is 1"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0))[:, 0].float().mean()",
         "enough for its race"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0))[:, -1].float().mean()",
         "as much as with one"),
        ("def false_alarms(lows, highs):\n    return (lows > 0).any(1).float().mean()", "below zero is clear"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0)).float().mean()", "counts as much"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0)).all(1).float().mean()", "is enough"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0)).any().float()", "halve the share"),
        ("def false_alarms(lows, highs):\n    return ((lows > 0) | (highs < 0)).any(1).float()", "one number"),
        ("def false_alarms(lows, highs):\n    return ((lows + highs).abs() / 2 > 1).any(1).float().mean()",
         "above zero, it is 1"),
        ("def false_alarms(lows, highs):\n    return ((lows >= 0) | (highs <= 0)).any(1).float().mean()",
         "ends at zero"),
    ],
}

EXAMPLE = {"alpha_at": "torch.tensor([0.2, 0.4, 0.6])", "easiest": "torch.tensor([2, 0])",
           "false_alarms": "torch.tensor(0.5)"}
