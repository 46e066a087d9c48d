"""The assignment's whole result as one report: known prompts, novel ones, edge cases, and a comparison with other models.

    python 7_evaluate.py --config recipes/combination.yaml --suite assignment --models openai/<model> --judge ollama/<model>

The prompts lie in files, which may be longer: known.tsv (texts of the training data), novel.tsv (texts that aren't, each with
an `instruction` for a chat model, so that it answers with emoji instead of prose) and edge.tsv (with what a thoughtful answer
shows).
"""

from pathlib import Path

from emojisummary.artifacts import Row, read_csv, read_tsv
from emojisummary.judging import duel
from emojisummary.models.asked import Asked
from emojisummary.stage import UserError

TITLES = {"known": "Known prompts", "novel": "Novel prompts", "edge": "Edge cases"}


def assignment(models: dict, task, settings, judge=None) -> dict:
    """The content of assignment.yaml; the first of `models` is the student, the others are compared with it on novel ones."""
    files = {name: Path(settings.assignment) / f"{name}.tsv" for name in TITLES}
    parts = {name: [row for _, row in read_tsv(file, ("text",))][: settings.limit] for name, file in files.items()}
    learned = {row["text"]: row["answer"] for row in read_csv(settings.folder / "training_data.csv", ("text", "answer"))}
    strangers = [row["text"] for row in parts["novel"] if row["text"] in learned]
    if strangers:
        raise UserError(f"{settings.assignment}/novel.tsv: {strangers[0]!r} is in the training data.")
    student, *others = models
    result = {
        name: [_entry(row, answer, learned) for row, answer in zip(rows, answers_of(models[student], task, rows), strict=True)]
        for name, rows in parts.items()
    }
    for other in others:
        for entry, answer in zip(result["novel"], answers_of(models[other], task, parts["novel"]), strict=True):
            entry["others"] = entry.get("others", {}) | {other: answer}
    known = [entry["answer"] == entry["learned"] for entry in result["known"] if "learned" in entry]
    result["known_exact"] = {"value": round(sum(known) / len(known), 4) if known else None, "n": len(known)}
    result["duels"] = [
        {"model": student, "control": other, "aspect": aspect, **_duel(judge, question, result["novel"], other)}
        for other in (others if judge else ())
        for aspect, question in task.aspects.items()
    ]
    return result


def answers_of(model, task, rows: list[Row]) -> list[str]:
    """The model's answers; one that is asked in words gets the adapted prompt, where there is one, in place of the text."""
    adapted = isinstance(model, Asked)
    texts = [row.get("instruction") or row["text"] if adapted else row["text"] for row in rows]
    return [task.shown(given)[0] for given in task.ask(model, texts)]


def _entry(row: Row, answer: str, learned: dict[str, str]) -> dict:
    known = {"learned": learned[row["text"]]} if row["text"] in learned else {}
    return {**row, **known, "answer": answer}


def _duel(judge, question: str, entries: list[dict], other: str) -> dict:
    texts, ours = [entry["text"] for entry in entries], [entry["answer"] for entry in entries]
    return duel(judge, question, texts, ours, [entry["others"][other] for entry in entries])


def as_markdown(result: dict) -> str:
    """assignment.md: tables of all prompts and answers, and what the judge said."""
    lines = ["# The assignment\n"]
    for name, title in TITLES.items():
        others = list(result[name][0].get("others", {})) if result[name] else []
        more = {"known": ["learned"], "edge": ["expectation"]}.get(name, [])
        columns = ["text", *more, "answer", *others]
        lines += [f"## {title}\n", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        for entry in result[name]:
            cells = [entry.get(column, entry.get("others", {}).get(column, "")) for column in columns]
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    exact = result["known_exact"]
    if exact["n"]:
        lines.append(f"Of the {exact['n']} known prompts, {exact['value']:.0%} get just the combination that was learned.\n")
    if result["duels"]:
        lines += ["## Judged in both orders\n", "| aspect | against | wins | ties | losses | n |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {one['aspect']} | {one['control']} | {one['wins']} | {one['ties']} | {one['losses']} | {one['n']} |"
            for one in result["duels"]
        ]
    return "\n".join(lines) + "\n"
