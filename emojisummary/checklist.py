"""What people read and tick off: test prompts with every model's answer, and a checklist with the figure behind each line."""

from pathlib import Path

from emojisummary.artifacts import Row, read_text
from emojisummary.figures import cell

NOTE = "What a model says that was built from scratch (`base: tiny`) proves the path, not the quality."
SAID = {True: "met", False: "not met", None: "not measured"}


def read_prompts(file: str | None) -> list[str]:
    """The prompts of a file, one a line; none of no file."""
    return [line for line in read_text(Path(file)).splitlines() if line.strip()] if file else []


def answered(models: dict, task, prompts: list[str]) -> list[Row]:
    """Each prompt with every model's answer under the model's name. Nothing is accepted here: it's for reading."""
    answers = [{"text": prompt} for prompt in prompts]
    for name, model in models.items():
        for answer, given in zip(answers, task.ask(model, prompts) if prompts else [], strict=True):
            answer[name] = task.shown(given)[0]
    return answers


def ticked(results: dict, checklist: tuple[tuple[str, str, float], ...]) -> list[dict]:
    """The lines of a task's checklist, each with every model's figure in results.yaml's content, and whether it is `met`.

    A line is met where the figure itself is at least what is wanted, whatever its interval; None where it wasn't measured.
    """
    lines = []
    for line, measure, least in checklist:
        figures = {name: figure(results, name, measure) for name in results["models"]}
        met = {name: None if found is None else found["value"] >= least for name, found in figures.items()}
        lines.append({"line": line, "measure": measure, "least": least, "figures": figures, "met": met})
    return lines


def figure(results: dict, name: str, measure: str) -> dict | None:
    """A model's metric of that name, or else the share of texts in which a judge preferred its answers, by that aspect: the
    lowest one, where there are several controls."""
    duels = [one for one in results.get("judged", []) if (one["model"], one["aspect"]) == (name, measure)]
    won = [{"value": one["win_rate"], "n": one["n"]} for one in duels]
    return results["models"][name]["metrics"].get(measure) or min(won, key=lambda one: one["value"], default=None)


def prompts_as_text(answers: list[Row]) -> str:
    """Each prompt, and below it what each model answers; "" where there are none."""
    lines = ["\nTest prompts:"]
    for answer in answers:
        lines += [f"> {answer['text']}", *(f"  {name}: {_one_line(said)}" for name, said in answer.items() if name != "text")]
    return "\n".join(lines) if answers else ""


def checklist_as_text(lines: list[dict]) -> str:
    """Each line, and below it every model's figure and whether it's met; "" where there are none."""
    text = ["\nChecklist:"]
    for one in lines:
        text += [f"- {one['line']}", *(f"  {name}: {verdict(one, name)}" for name in one["met"])]
    return "\n".join([*text, NOTE]) if lines else ""


def verdict(line: dict, name: str) -> str:
    """
    >>> verdict({"least": 0.9, "figures": {"m": {"value": 0.5, "low": 0.4, "high": 0.6}}, "met": {"m": False}}, "m")
    'not met: 50.0 (40.0-60.0) %, at least 90 % wanted'
    """
    found, met = line["figures"][name], SAID[line["met"][name]]
    return f"{met}: {cell(found)} %, at least {100 * line['least']:.0f} % wanted" if found else met


def _one_line(text: str) -> str:
    return " / ".join(text.split("\n")) or "(nothing)"
