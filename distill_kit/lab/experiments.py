"""The lab's experiments, each a description: what is asked, what can be moved, what is measured, what is said of it.

A control bears the name of a field of run.Settings, so a sixth experiment is one more record here.
"""
from dataclasses import dataclass, field, replace

from ..data.imageset import FAVOURITE, Dataset, favourite
from ..diagnosis.faults import FAULTS, STRENGTHS
from ..run import QUICK_EPOCHS, Settings
from .measures import ACCURACY, RANK2, Measure


@dataclass(frozen=True)
class Control:
    """One slider or list: a field of Settings under the learner's hand."""
    name: str
    label: str
    stops: tuple                # the values it can take, in order
    words: str                  # what it does, in one sentence

    def read(self, text: str):
        """The stop that a text means. Raises ValueError where it means none."""
        for stop in self.stops:
            if text.strip() == str(stop) or not isinstance(stop, str) and _number(text) == stop:
                return stop
        return self.check(text)

    def check(self, value) -> None:
        """Raises ValueError, naming the control, the value and what it may be."""
        if value not in self.stops:
            called = self.name if self.label == self.name else f"{self.name} ({self.label})"
            raise ValueError(f"{called} must be one of {', '.join(map(str, self.stops))}; got {value}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Preset:
    name: str
    values: dict
    why: str                    # one sentence: why it is a good one, or a bad one


@dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    question: str
    note: str                   # what must be known to read the result rightly
    controls: tuple[Control, ...]
    start: dict                 # values of the controls, and other fields of Settings that differ from the default
    presets: tuple[Preset, ...]
    measure: Measure = ACCURACY
    # What the run is held against. Labels alone hear no temperature: one baseline serves them all.
    baseline: dict = field(default_factory=lambda: {"alpha": 1.0, "final_alpha": None, "temperature": 4.0})
    baseline_name: str = "alpha = 1, labels alone"
    taught_by_baseline: bool = False  # is the baseline's student the teacher, instead of the shipped one?

    @property
    def first_values(self) -> dict:
        """What the controls say before the learner moves one."""
        return {control.name: self.start.get(control.name, getattr(Settings(), control.name))
                for control in self.controls}

    def settings(self, values: dict, dataset: Dataset, seed: int) -> Settings:
        """The run that these values of the controls ask for. Raises ValueError for a value that a control has not."""
        for control in self.controls:
            if control.name in values:
                control.check(values[control.name])
        chosen = {**self.start, **values}
        if chosen.get("leave_out") == FAVOURITE:
            chosen["leave_out"] = favourite(dataset)
        if chosen.get("fault") == NO_FAULT:
            chosen |= {"fault": None, "fault_strength": Settings.fault_strength}
        return Settings(**{"data": dataset.name, "epochs": QUICK_EPOCHS, "seed": seed, **chosen})

    def baseline_of(self, settings: Settings) -> Settings:
        """What the run is held against; without a fault also without the settings that are the fault."""
        usual = {"epochs": QUICK_EPOCHS, **self.start}
        ill = FAULTS[settings.fault].itself if settings.fault else ()
        return replace(settings, fault_strength=Settings.fault_strength,
                       **{name: usual.get(name, getattr(Settings, name)) for name in ill}, **self.baseline)


NO_FAULT = "none"
TEMPERATURE = Control("temperature", "Temperature T", (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0),
                      "Divides the logits of teacher and student before softmax: higher is softer.")
ALPHA = Control("alpha", "alpha", tuple(round(0.05 * k, 2) for k in range(21)),
                "Weight of the labels; the rest is the teacher's.")
LABELS = Control("labelled", "Images with a label", (100, 250, 500, 1_000, 2_000, 3_000, 5_000),
                 "How many of the 5,000 images keep their label.")
NOISE = Control("label_noise", "Random labels", tuple(round(0.1 * k, 1) for k in range(10)),
                "Share of the labels drawn anew at random. With ten classes a tenth of these are right by chance.")
RATE = Control("learning_rate", "Learning rate", (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
               "The highest, after one epoch of warm-up.")
IMAGES = Control("images", "Training images", (500, 1_000, 2_000, 5_000), "How many the student learns from.")
STUDENT = Control("student", "Student", ("small", "default", "wide"), "How many channels its layers have.")
FINAL_ALPHA = Control("final_alpha", "alpha at the end", ALPHA.stops, "Where alpha goes.")
FINAL_TEMPERATURE = Control("final_temperature", "T at the end", TEMPERATURE.stops, "Where the temperature goes.")
START_ALPHA = replace(ALPHA, label="alpha at the start")
START_TEMPERATURE = replace(TEMPERATURE, label="T at the start")
FAULT = Control("fault", "Fault", (NO_FAULT, *FAULTS), "What goes wrong. It brings the settings that it needs.")
STRENGTH = Control("fault_strength", "How much", STRENGTHS, "How far it goes.")
SHAPE = Control("schedule", "Shape of the change", ("linear", "cosine"), "A straight line, or half a cosine wave.")

EXPERIMENTS = {experiment.name: experiment for experiment in (
    Experiment(
        "temperature", "A class the student never saw",
        "No image of one class is shown to the student. How often does it still rank that class first or second?",
        "All that the student can know of that class it has from the teacher's small probabilities.",
        (TEMPERATURE, ALPHA), {"temperature": 4.0, "alpha": 0.0, "leave_out": FAVOURITE},
        (Preset("T = 1: hardly audible", {"temperature": 1.0, "alpha": 0.0},
                "The teacher's small probabilities are too small to move the student."),
         Preset("T = 10: spoken up", {"temperature": 10.0, "alpha": 0.0},
                "Softened, they tell what the missing class looks like."),
         Preset("Labels as well", {"temperature": 10.0, "alpha": 0.5},
                "The labels say that there is no such class, and contradict the teacher.")),
        RANK2),
    Experiment(
        "alpha", "Labels that cannot be trusted",
        "A share of the labels is drawn at random. Whom should the student believe?",
        "This teacher was trained on the true labels of these very images. The control, with one that was not: "
        "Lab('false_teacher').",
        (ALPHA, NOISE), {"temperature": 4.0, "alpha": 0.1, "label_noise": 0.4},
        (Preset("Believe the teacher", {"alpha": 0.1}, "It has never seen the false labels."),
         Preset("Believe the labels", {"alpha": 1.0}, "The student learns the false ones with the true ones."),
         Preset("Half and half", {"alpha": 0.5}, "The teacher is heard, and so are the false labels."))),
    Experiment(
        "false_teacher", "A teacher that saw the same false labels",
        "Labels are false, and the teacher has learnt from just those. Is it still worth listening to?",
        "First a student is trained on the labels alone. It is the teacher here, and what the second is held against.",
        (ALPHA, TEMPERATURE, NOISE), {"alpha": 0.1, "temperature": 4.0, "label_noise": 0.4},
        (Preset("Believe this teacher", {"alpha": 0.1}, "It has seen no true label that the student has not."),
         Preset("No teacher", {"alpha": 1.0}, "The same run again: what it is held against."),
         Preset("No false labels", {"alpha": 0.1, "label_noise": 0.0}, "Labels to rely on, and a teacher no better.")),
        taught_by_baseline=True),
    Experiment(
        "labels", "Few labels, many images",
        "Only some of the images have a label; the teacher speaks about all of them. What is that worth?",
        "This teacher has seen the labels that the student has not. In real use the teacher comes from elsewhere.",
        (LABELS, ALPHA), {"temperature": 4.0, "alpha": 0.1, "labelled": 1_000},
        (Preset("1,000 labels", {"labelled": 1_000, "alpha": 0.1}, "The plainest gain there is."),
         Preset("Without the teacher", {"labelled": 1_000, "alpha": 1.0}, "1,000 labels, and silence on the rest."),
         Preset("All labels", {"labelled": 5_000}, "With labels in plenty the teacher adds less."),
         Preset("100 labels", {"labelled": 100}, "Too few for labels alone, and the teacher speaks on."))),
    Experiment(
        "schedule", "Progressive distillation",
        "alpha or the temperature changes while the student trains. Is that better than leaving them alone?",
        "Both runs take the same steps. The second one keeps alpha and T where they start.",
        (START_ALPHA, FINAL_ALPHA, START_TEMPERATURE, FINAL_TEMPERATURE, SHAPE),
        {"alpha": 0.1, "final_alpha": 0.5, "temperature": 4.0, "final_temperature": 4.0, "schedule": "linear"},
        (Preset("Teacher first, labels later", {"alpha": 0.1, "final_alpha": 0.9}, "The usual advice."),
         Preset("Labels first, teacher later", {"alpha": 0.9, "final_alpha": 0.1},
                "The opposite of the usual advice. Hold it against alpha = 0.1 throughout as well."),
         Preset("Cooling down", {"alpha": 0.1, "final_alpha": 0.1, "temperature": 8.0, "final_temperature": 2.0},
                "Soft first, sharp at the end.")),
        baseline={"final_alpha": None, "final_temperature": None},
        baseline_name="the fixed pair, alpha and T as they start"),
    Experiment(
        "plain", "Everything at once",
        "Move what you like. What is the teacher worth, for this student and these images?",
        "One run cannot tell half a point from luck.",
        (TEMPERATURE, ALPHA, RATE, IMAGES, NOISE, STUDENT), {"temperature": 4.0, "alpha": 0.1},
        (Preset("The quick run", {"temperature": 4.0, "alpha": 0.1, "learning_rate": 0.01, "images": 5_000,
                                  "label_noise": 0.0, "student": "default"}, "The course's own recipe."),
         Preset("Learning rate too high", {"learning_rate": 0.3}, "The student stumbles about and learns little."),
         Preset("Learning rate too low", {"learning_rate": 0.0003}, "The epochs are over before it has gone far."))),
    Experiment(
        "faults", "What goes wrong",
        "A fault of your choice is built into the run. Can you see it in the curve?",
        "What the kit finds stands above the curve as soon as it is sure; at the end it may know better, from a probe.",
        (FAULT, STRENGTH), {"fault": "teacher_rows_shuffled", "fault_strength": "clear"},
        tuple(Preset(name.replace("_", " "), {"fault": name, "fault_strength": "gross"}, fault.sentence)
              for name, fault in FAULTS.items()),
        baseline={"fault": None}, baseline_name="no fault, all else the same"),
)}
