"""The exercises of the course: `check` judges an answer, `Prediction` keeps a guess until the run is over.

A lesson's source (notebooks/source) holds the texts, and the module named after the lesson holds the checks.
"""
from .checking import judge
from .exercise import Exercise, every_exercise, find
from .prediction import Prediction
from .verdict import Verdict


def check(answer: object, name: str | None = None) -> Verdict:
    """Judge an answer: not attempted, an error in your code, not yet right, or right.

        >>> check(lambda logits, temperature: (logits / temperature).softmax(1), "soften")
        ✓ soften: right. ...

    answer: what you wrote. name: of the exercise, where the answer has another name.
    """
    return judge(find(getattr(answer, "__name__", "") if name is None else name), answer)


__all__ = ["Exercise", "Prediction", "check", "every_exercise", "find"]
