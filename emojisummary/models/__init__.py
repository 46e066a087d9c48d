"""Whatever answers, behind one door: teachers, graders, controls and students are the same thing at different stages.

A model has a `name` and some of these:
- `answer(requests)`: yields (request, reply) for each row of requests, reply None where it has nothing to say. As a
  teacher it writes texts, as a grader it says "yes" or "no" with a reason.
- `rank(texts, top)`: for each text the `top` best emoji with their probabilities, best first; nothing where a model that is
  asked in words (asked.py) gives none. `said`: what such a model said.
- `depends_on`: what its answers depend on beside the request, for `artifacts.Journal`.
- `reproducible`: asked again it says the same, at once; `polished`: its texts need no clean-up; `batch`: how many requests a
  grader judges together; `problems`: what was wrong with its own data, counted.
"""

from pathlib import Path

from emojisummary.stage import UserError
from emojisummary.tasks import TASKS

NAMES = (
    "`phrasebook`, `written`, `retriever`, `rules`, `meaning`, `most-frequent`, `linear`, `untuned` (the run's own base), "
    "`ollama/<model>`, `openai/<model>`, `base:<folder or hub name>`, `base-short:<...>`, or the folder of a run "
    "like runs/demo or of a checkpoint"
)


UNTRAINED = ("retriever", "most-frequent")  # models that rank emoji, and are no run
SERVERS = ("ollama", "openai")
OFFLINE = {"write texts": ("phrasebook", "written"), "judge texts": ("retriever", "rules", "meaning")}  # who can, without one


def connect(name: str, table: dict | None = None, settings=None, device: str = "cpu"):
    """The model of that name.

    `table` is needed by all but a trained run, `settings` (the stage's) by all but that and `most-frequent`.
    Raises UserError for an unknown name or a folder without a trained student.
    """
    if name in BY_NAME:
        return BY_NAME[name](table, settings)
    if name.partition("/")[0] in SERVERS:
        from emojisummary.models.served import Served

        return Served(name, settings, table)
    if name.partition(":")[0] in ("base", "base-short"):
        from emojisummary.models.base import Base

        return Base(name, settings, table)
    is_own = settings is not None and Path(name) == getattr(settings, "folder", None)  # the error then names its recipe, too
    return trained(Path(name), device, "python 5_train.py" if is_own else None)


def task_of(model):
    """The task that a model's answers are for: all but a language model know `summary` alone."""
    return getattr(model, "task", TASKS["summary"])


def connect_for(work: str, name: str, table: dict, settings):
    """A model for a work of OFFLINE, which all models on a server can do. Raises UserError for one that can't."""
    if name not in OFFLINE[work] and name.partition("/")[0] not in SERVERS:
        able = ", ".join(f"`{one}`" for one in OFFLINE[work])
        raise UserError(f"{name} can't {work}: take {able}, `ollama/<model>` or `openai/<model>`.")
    return connect(name, table, settings)


def connect_answering(name: str, settings):
    """A model to try out: a trained run by its folder, or one of UNTRAINED. Raises UserError for any other."""
    from emojisummary.artifacts import read_emoji

    if name not in UNTRAINED and not Path(name).is_dir():
        others = " or ".join(UNTRAINED)
        raise UserError(f"{name}: no such run. `make demo` trains runs/demo; --model takes a run's folder, or {others}.")
    return connect(name, read_emoji(settings.folder) if name in UNTRAINED else None, settings)


def _phrasebook(table, settings):
    from emojisummary.models.phrasebook import Phrasebook

    return Phrasebook(table, Path(settings.phrasebook), Path(settings.keywords))


def _written(table, settings):
    from emojisummary.models.written import Written

    return Written(TASKS[settings.task], settings.source, table)


def _retriever(table, settings):
    if hasattr(settings, "rank_at_most"):  # as a grader
        from emojisummary.models.retriever_grader import RetrieverGrader

        return RetrieverGrader(table, settings.encoder, settings.rank_at_most)
    from emojisummary.models.retriever import Retriever

    return Retriever.untuned(table, settings.encoder)


def _rules(table, settings):
    from emojisummary.models.rules import Rules

    return Rules(TASKS[settings.task])


def _meaning(table, settings):
    from emojisummary.models.meaning import Meaning

    return Meaning(settings.encoder, settings.least_similarity)


def _most_frequent(table, settings):
    from emojisummary.models.frequent import MostFrequent

    return MostFrequent(table)


def _linear(table, settings):
    from emojisummary.models.linear import Linear

    if not TASKS[settings.task].ranks:
        raise UserError(f"linear: it learns to answer with one emoji, and so nothing of the task {settings.task}.")
    return Linear.trained_on(settings.folder / "training_data.csv", table)


def _untuned(table, settings):
    from emojisummary.models.llm import LanguageModel

    return LanguageModel.untuned(settings.folder / "model", "untuned")


BY_NAME = {
    "phrasebook": _phrasebook, "written": _written, "retriever": _retriever, "rules": _rules, "meaning": _meaning,
    "most-frequent": _most_frequent, "linear": _linear, "untuned": _untuned,
}  # fmt: skip


def trained(run: Path, device: str = "cpu", made_by: str | None = None):
    """The student in a run's folder, or a checkpoint of its training: runs/demo/model/checkpoints/checkpoint-2022.

    Raises UserError where there is none; `made_by`: the command that trains it.
    """
    from emojisummary.artifacts import read_yaml

    if not run.is_dir():
        raise UserError(f"{run}: no such model. A model is {NAMES}.")
    folder, name = run / "model", run.name
    if run.absolute().parent.name == "checkpoints":
        from emojisummary.training.checkpoints import complete

        folder, name = run.absolute(), f"{run.absolute().parents[2].name}/{run.name}"
        if not (folder / "student.yaml").exists():
            complete(folder)
    elif (run / "student.yaml").exists():  # its folder `model`
        folder, name = run, run.absolute().parent.name
    card = read_yaml(folder / "student.yaml", made_by or f"python 5_train.py --run {name}")
    if card["student"] == "retriever":
        from emojisummary.models.retriever import Retriever

        return Retriever.load(folder, name)
    from emojisummary.models.llm import LanguageModel

    return LanguageModel.load(folder, name, device)
