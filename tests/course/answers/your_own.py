"""Answers to the exercises of 07_your_own. EXAMPLE: what copying the number in the text gives."""
RIGHT = {
    "normalised": [
        "def normalised(images, mean, std):\n    return (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)",
        "def normalised(images, mean, std):\n"
        "    return torch.stack([(images[:, k] - mean[k]) / std[k] for k in range(3)], dim=1)",
        "def normalised(images, mean, std):\n    last = images.permute(0, 2, 3, 1)\n"
        "    return ((last - mean) / std).permute(0, 3, 1, 2)",
    ],
    "ask": [
        "def ask(teacher, images):\n    output = teacher.eval()(images)\n"
        "    return (output if isinstance(output, torch.Tensor) else output.logits).detach()",
        "@torch.inference_mode()\ndef ask(teacher, images):\n    teacher.train(False)\n    said = teacher(images)\n"
        "    return said.logits if hasattr(said, 'logits') else said",
        "def ask(teacher, images):\n    before = teacher.training\n    teacher.eval()\n    with torch.no_grad():\n"
        "        said = teacher(images)\n    teacher.train(before)\n    return getattr(said, 'logits', said)",
        "def ask(teacher, images):\n    import copy\n"
        "    frozen = copy.deepcopy(teacher).eval().requires_grad_(False)\n    out = frozen(images)\n"
        "    return out if torch.is_tensor(out) else out.logits",
        "def ask(teacher, images):\n    teacher.requires_grad_(False).eval()\n    output = teacher(images)\n"
        "    return output.logits if hasattr(output, 'logits') else output",
    ],
    "times_faster": [
        "def times_faster(teacher_seconds, student_seconds):\n"
        "    return np.median(teacher_seconds[1:].numpy()) / np.median(student_seconds[1:].numpy())",
        "def times_faster(teacher_seconds, student_seconds):\n"
        "    middle = [sorted(seconds[1:].tolist())[(len(seconds) - 1) // 2]\n"
        "              for seconds in (teacher_seconds, student_seconds)]\n    return middle[0] / middle[1]",
        "def times_faster(t, s):\n    return torch.quantile(t[1:], 0.5) / torch.quantile(s[1:], 0.5)",
        "def times_faster(t, s):\n    from statistics import median\n"
        "    return median(t.tolist()[1:]) / median(s.tolist()[1:])",
    ],
}

WRONG = {
    "normalised": [
        ("def normalised(images, mean, std):\n    return (images - mean) / std", "not to columns"),
        ("def normalised(images, mean, std):\n    return (images - mean[:, None]) / std[:, None]",
         "all pixels are alike"),
        ("def normalised(images, mean, std):\n    return images / std[:, None, None]", "Another `mean`"),
        ("def normalised(images, mean, std):\n    return images - mean[:, None, None]", "A larger std"),
        ("def normalised(images, mean, std):\n    return (images - mean[:, None, None]) * std[:, None, None]",
         "A larger std"),
        ("def normalised(images, mean, std):\n    return (images - mean[:, None, None]) / std[:, None, None].square()",
         "larger by 1"),
        ("def normalised(images, mean, std):\n    return (images / 255 - mean[:, None, None]) / std[:, None, None]",
         "larger by 1"),
        ("def normalised(images, mean, std):\n    return images / std[:, None, None] - mean[:, None, None]",
         "as bright as its mean"),
        ("def normalised(images, mean, std):\n    own = images.mean((0, 2, 3))\n"
         "    return (images - own[:, None, None]) / std[:, None, None]", "depend on others"),
        ("def normalised(images, mean, std):\n    return (images.flip(1) - mean[:, None, None]) / std[:, None, None]",
         "in its own place"),
        ("def normalised(images, mean, std):\n    return images.sub_(mean[:, None, None]).div_(std[:, None, None])",
         "stays as it is"),
        ("def normalised(images, mean, std):\n"
         "    return ((images - mean[:, None, None]) / std[:, None, None]).mean((2, 3))", "a tensor of shape"),
        ("def normalised(images, mean, std):\n    own = images.mean((2, 3), keepdim=True)\n"
         "    return (images - own) / std[:, None, None]", "Another `mean`"),
        ("def normalised(x, mean, std):\n    return (x - mean[:, None, None]) / (std[:, None, None] + 1e-3)",
         "A channel brighter by"),
    ],
    "ask": [
        ("def ask(teacher, images):\n    with torch.no_grad():\n        output = teacher(images)\n"
         "    return getattr(output, 'logits', output)", "Asked twice"),
        ("def ask(teacher, images):\n    with torch.no_grad():\n        output = teacher(images)\n    teacher.eval()\n"
         "    return getattr(output, 'logits', output)", "Asked twice"),
        ("def ask(teacher, images):\n    teacher.eval()\n    output = teacher(images)\n"
         "    return getattr(output, 'logits', output)", "No gradient"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n        return teacher(images)",
         "returns a tensor, not"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n        output = teacher(images)\n"
         "    return getattr(output, 'logits', output).softmax(1)", "no softmax, no temperature"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n        output = teacher(images)\n"
         "    return getattr(output, 'logits', output) / 4", "no softmax, no temperature"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n        output = teacher(images)\n"
         "    return getattr(output, 'logits', output).argmax(1)", "a tensor of shape"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n        output = teacher(images)\n"
         "    return getattr(output, 'logits', output).sort(1).values", "no new order"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n        output = teacher(images)\n"
         "    output = getattr(output, 'logits', output)", "Is there a `return`"),
        ("def ask(teacher, images):\n    torch.set_grad_enabled(False)\n    output = teacher.eval()(images)\n"
         "    return getattr(output, 'logits', output)", "gradients are on again"),
        ("def ask(teacher, images):\n    teacher.eval().half()\n    with torch.no_grad():\n"
         "        output = teacher(images.half())\n    return getattr(output, 'logits', output).float()",
         "A module keeps its layers, weights"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n"
         "        output = teacher((images - 0.5) / 0.25)\n    return getattr(output, 'logits', output)",
         "nothing is done to images"),
        ("def ask(teacher, images):\n    teacher.eval()\n    with torch.no_grad():\n"
         "        out = teacher((images - images.mean()) / images.std())\n    return getattr(out, 'logits', out)",
         "They are the teacher's"),
    ],
    "times_faster": [
        ("def times_faster(t, s):\n    return s[1:].median() / t[1:].median()", "slower in every repeat"),
        ("def times_faster(t, s):\n    return t.median() / s.median()", "it warms up"),
        ("def times_faster(t, s):\n    return t[1:].mean() / s[1:].mean()", "held up"),
        ("def times_faster(t, s):\n    return t[1:].min() / s[1:].min()", "very quick"),
        ("def times_faster(t, s):\n    return (t[1:] / s[1:]).median()", "The order of the repeats"),
        ("def times_faster(t, s):\n    return t[1:].median() - s[1:].median()", "In milliseconds"),
        ("def times_faster(t, s):\n    return t[1:].median() / s[1:].median() - 1", "against itself"),
        ("def times_faster(t, s):\n    return (t[1:].median() / s[1:].median()) ** 2", "half of all repeats"),
        ("def times_faster(t, s):\n    return t[0] / s[0]", "it warms up"),
        ("def times_faster(t, s):\n    return t[1:] / s[1:].median()", "one number"),
        ("def times_faster(t, s):\n    return (t[1:].median() / s[1:].median()).clamp(min=1)", "below 1"),
        ("def times_faster(t, s):\n    t, s = t[1:].sort().values, s[1:].sort().values\n"
         "    return max(1.0, float(t[len(t) // 2] / s[len(s) // 2]))", "A teacher that is"),
    ],
}

EXAMPLE = {"normalised": "torch.full((1, 3, 3, 3), 2.0)", "ask": "torch.tensor([[2.0, 0.0]])",
           "times_faster": "torch.tensor(4.0)"}
