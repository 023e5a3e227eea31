"""Answers to the exercises of 06_evidence. EXAMPLE: what copying the number in the text gives."""
RIGHT = {
    "verdicts": [
        "def verdicts(low, high, above, below):\n    holds = (low >= above) & (high <= below)\n"
        "    fails = (high < above) | (low > below)\n    return holds.long() - fails.long()",
        "def verdicts(low, high, above, below):\n    return torch.tensor([\n"
        "        1 if above <= a and b <= below else -1 if b < above or a > below else 0 for a, b in zip(low, high)])",
        "def verdicts(low, high, above, below):\n    result = torch.zeros(len(low))\n"
        "    result[(above <= low) & (high <= below)] = 1\n    result[(high < above) | (below < low)] = -1\n"
        "    return result",
        "def verdicts(low, high, above, below):\n    low, high = low.numpy(), high.numpy()\n"
        "    return np.where((low >= above) & (high <= below), 1, np.where((high < above) | (low > below), -1, 0))",
    ],
    "holm": [
        "def holm(p):\n    order = p.argsort()\n    factors = torch.arange(len(p), 0, -1)\n"
        "    raised = (factors * p[order]).cummax(0).values.clamp(max=1)\n"
        "    result = torch.empty_like(p)\n    result[order] = raised\n    return result",
        "def holm(p):\n    n, most, result = len(p), 0.0, [0.0] * len(p)\n"
        "    for rank, k in enumerate(sorted(range(n), key=lambda k: p[k].item())):\n"
        "        most = max(most, min(1.0, (n - rank) * p[k].item()))\n        result[k] = most\n"
        "    return torch.tensor(result)",
        "def holm(p):\n    order = np.argsort(p.numpy())\n"
        "    raised = np.maximum.accumulate(p.numpy()[order] * np.arange(len(p), 0, -1))\n"
        "    return np.minimum(raised, 1)[np.argsort(order)]",
    ],
    "beyond_control": [
        "def beyond_control(labels, teacher, student, control):\n    wrong = teacher != labels\n"
        "    return (student == teacher)[wrong].float().mean() - (control == teacher)[wrong].float().mean()",
        "def beyond_control(labels, teacher, student, control):\n    wrong = (teacher != labels).nonzero().squeeze(1)\n"
        "    return ((student[wrong] == teacher[wrong]).sum() - (control[wrong] == teacher[wrong]).sum()) / len(wrong)",
        "def beyond_control(labels, teacher, student, control):\n    rows = [k for k in range(len(labels))\n"
        "            if teacher[k] != labels[k]]\n    return sum(int(student[k] == teacher[k])\n"
        "               - int(control[k] == teacher[k]) for k in rows) / len(rows)",
    ],
}

WRONG = {
    "verdicts": [
        ("def verdicts(low, high, above, below):\n    return ((low >= above) & (high <= below)).long()",
         "wholly above"),
        ("def verdicts(low, high, above, below):\n    middle = (low + high) / 2\n"
         "    return torch.where((middle >= above) & (middle <= below), 1, -1)", "lower end"),
        ("def verdicts(low, high, above, below):\n    holds = (high >= above) & (low <= below)\n"
         "    return torch.where(holds, 1, -1)", "lower end"),
        ("def verdicts(low, high, above, below):\n    holds = (low > above) & (high < below)\n"
         "    fails = (high <= above) | (low >= below)\n    return holds.long() - fails.long()", "belong to the claim"),
        ("def verdicts(low, high, above, below):\n    holds = (low >= above) & (high <= below)\n"
         "    return torch.where(holds, 1, torch.where(high < above, -1, 0))", "wholly above"),
        ("def verdicts(low, high, above, below):\n    holds = (low >= above) & (high <= below)\n"
         "    return torch.where(holds, 1, torch.where(low > below, -1, 0))", "wholly below"),
        ("def verdicts(low, high, above, below):\n    holds = low >= above\n"
         "    return holds.long() - (high < above).long()", "wholly above"),
    ],
    "holm": [
        ("def holm(p):\n    return (len(p) * p).clamp(max=1)", "nearly the same"),
        ("def holm(p):\n    order = p.argsort()\n    raised = torch.arange(len(p), 0, -1) * p[order]\n"
         "    result = torch.empty_like(p)\n    result[order] = torch.cat([raised[:1], torch.maximum(raised[1:], "
         "raised[:-1])]).clamp(max=1)\n    return result", "nearly the same"),
        ("def holm(p):\n    order = p.argsort()\n    raised = torch.arange(len(p), 0, -1) * p[order]\n"
         "    result = torch.empty_like(p)\n    result[order] = raised.flip(0).cummin(0).values.flip(0).clamp(max=1)\n"
         "    return result", "nearly the same"),
        ("def holm(p):\n    return p", "smallest"),
        ("def holm(p):\n    order = p.argsort()\n    result = torch.empty_like(p)\n"
         "    result[order] = (torch.arange(len(p), 0, -1) * p[order]).clamp(max=1)\n    return result",
         "nearly the same"),
        ("def holm(p):\n    order = p.argsort()\n"
         "    return (torch.arange(len(p), 0, -1) * p[order]).cummax(0).values.clamp(max=1)",
         "never smaller than that of a smaller one"),
        ("def holm(p):\n    order = p.argsort()\n    result = torch.empty_like(p)\n"
         "    result[order] = (torch.arange(len(p), 0, -1) * p[order]).cummax(0).values\n    return result", "above 1"),
        ("def holm(p):\n    order = p.argsort(descending=True)\n    result = torch.empty_like(p)\n"
         "    result[order] = (torch.arange(len(p), 0, -1) * p[order]).cummax(0).values.clamp(max=1)\n"
         "    return result", "smallest"),
    ],
    "beyond_control": [
        ("def beyond_control(labels, teacher, student, control):\n"
         "    return (student == teacher).float().mean() - (control == teacher).float().mean()", "right"),
        ("def beyond_control(labels, teacher, student, control):\n    wrong = teacher != labels\n"
         "    return (student == teacher)[wrong].float().mean()", "its own control"),
        ("def beyond_control(labels, teacher, student, control):\n    wrong = teacher != labels\n"
         "    return (student != labels)[wrong].float().mean() - (control != labels)[wrong].float().mean()",
         "another mistake"),
        ("def beyond_control(labels, teacher, student, control):\n    wrong = teacher != labels\n"
         "    return (control == teacher)[wrong].float().mean() - (student == teacher)[wrong].float().mean()",
         "knows better"),
        ("def beyond_control(labels, teacher, student, control):\n    wrong = student != labels\n"
         "    return (student == teacher)[wrong].float().mean() - (control == teacher)[wrong].float().mean()", ""),
        ("def beyond_control(labels, teacher, student, control):\n    wrong = teacher != labels\n"
         "    return ((student == teacher) & wrong).float().mean() - ((control == teacher) & wrong).float().mean()",
         "knows better"),
    ],
}

EXAMPLE = {"verdicts": "torch.tensor([1, 0, -1])", "holm": "torch.tensor([0.03, 0.04, 0.04])",
           "beyond_control": "0.5"}
