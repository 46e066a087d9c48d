"""report.html: one page that needs nothing but itself, made from results.yaml and all answers. Texts are escaped."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable
from math import ceil
from pathlib import Path

from emojisummary.agreement import wilson
from emojisummary.artifacts import Row
from emojisummary.checklist import NOTE, verdict
from emojisummary.emojis import plain
from emojisummary.figures import cell, domain, flat, number, p_value, place, plainly, read
from emojisummary.report import given, gold, is_share, metric_names, texts

PAGES = Path(__file__).with_name("pages")
BINS = 10  # of the reliability diagram
MISSES = 10
COLOURS = 5  # of models; a sixth model gets the first one's, hollow
FACTS = ("language", "form", "category")  # of texts, to choose from
KNOWN = {"metrics", "timing", "groups", "confusions", "never_predicted", "calibration"}  # what has a place of its own
KNOWN_OF_ALL = {"task", "columns", "numbers", "models", "comparisons", "examples", "prompts", "checklist", "made"}
TITLES = {"mrr": "MRR", "macro_f1": "macro-F1", "neutral@1": "any gender", "subcategory@1": "subcategory"}
MEANING = {
    "accuracy@1": "the first answer is an accepted one",
    "accuracy@5": "one of the first five is an accepted one",
    "mrr": "1 / rank of the first accepted answer, on average",
    "macro_f1": "F1 averaged over the best answers, each weighing the same, however rare",
    "strict": "the first answer is the best one of the accepted",
    "valid": "the answer is one emoji of the table",
    "neutral@1": "accuracy@1 where another gender or skin tone counts too",
    "subcategory@1": "accuracy@1 where another emoji of the same Unicode subcategory counts too",
}


def html(results: dict, answers: list[Row], rows: list[Row] = ()) -> str:
    """The page. `answers` as `evaluate` returns them; `rows`, one for each, may tell a text's language, form and category."""
    facts = rows or [{}] * len(answers)
    answers = [{key: fact[key] for key in FACTS if fact.get(key)} | one for fact, one in zip(facts, answers, strict=True)]
    style, script = source("base.css") + source("report.css"), source("report.js")
    allowed = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    template = environment().get_template("report.html.jinja")
    return template.render(_content(results, answers), style=style, script=script, allowed=allowed)


def _content(results: dict, answers: list[Row]) -> dict:
    several = {key: found for key in FACTS if (found := choices(answers, key))}
    models, metrics, marked = list(results["models"]), metric_names(results), judged(results, answers)
    sure = graded(models, answers) if marked else []
    share = {metric: is_share(results, metric) for metric in metrics}
    return {
        "results": results,
        "models": models,
        "n": texts(results),
        "metrics": metrics,
        "share": share,
        "axes": {
            metric: domain([one["metrics"].get(metric) for one in results["models"].values()], share[metric])
            for metric in metrics
        },
        "titles": {metric: TITLES.get(metric, metric.replace("_", " ")) for metric in metrics},
        "meaning": MEANING,
        "sure": sure,
        "bins": {name: reliability(answers, name) for name in sure},
        "misses": {name: misses(answers, name) for name in sure},
        "curves": curves(results),
        "groups": groups(results),
        "answers": [seen(one, models, several) for one in answers],
        "judged": marked,
        "choices": several,
        "more": others(results),
    }


def environment():
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "read": read,
        "number": number,
        "cell": cell,
        "plainly": plainly,
        "flat": flat,
        "glyphs": glyphs,
        "p_value": p_value,
        "verdict": verdict,
    }
    environment.globals |= {"note": NOTE, "colour": colour, "domain": domain, "place": place}
    return environment


def source(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """What a browser compares a style or script with, before it lets it in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


# --- answers ---


def is_right(answer: Row, name: str) -> bool:
    return plain(given(answer.get(name))[0]) in {plain(one) for one in gold(answer)}


def judged(results: dict, answers: list[Row]) -> bool:
    """Whether answers can be marked as right: not where texts are free, or nothing is accepted."""
    return any("accuracy@1" in result["metrics"] for result in results["models"].values()) and any(map(gold, answers))


def seen(answer: Row, models: list[str], several: Iterable[str]) -> Row:
    """An answered text as the page shows it, with those of its facts that there are several of."""
    found = [{"text": given(answer.get(name))[0], "probability": given(answer.get(name))[1]} for name in models]
    right = [is_right(answer, name) for name in models]
    facts = {key: answer[key] for key in several if answer.get(key)}
    return {"text": answer["text"], "gold": gold(answer), "given": found, "right": right, "facts": facts}


def choices(answers: list[Row], key: str) -> dict[str, int]:
    """What a fact can be and how many texts there are of it, in alphabetical order; nothing if it's always the same."""
    counts = Counter(answer[key] for answer in answers if answer.get(key))
    return dict(sorted(counts.items())) if len(counts) > 1 else {}


def graded(models: list[str], answers: list[Row]) -> list[str]:
    """The models that give each text a probability of its own; one that is the same for all texts, or 0 or 1, means nothing."""
    probabilities = {name: {given(one.get(name))[1] for one in answers} - {None} for name in models}
    return [name for name, distinct in probabilities.items() if len(distinct) > 2]


def misses(answers: list[Row], name: str) -> list[dict]:
    """The wrong answers that a model was surest of."""
    wrong = [one for one in answers if given(one.get(name))[1] is not None and not is_right(one, name)]
    wrong = sorted(wrong, key=lambda one: -given(one[name])[1])[:MISSES]
    return [{"text": one["text"], "gold": gold(one), "given": given(one[name])} for one in wrong]


def reliability(answers: list[Row], name: str) -> list[dict]:
    """Bins of equal width of the probabilities: their mean, how many, and the share of right answers with its interval."""
    bins = {}
    for answer in answers:
        probability = given(answer.get(name))[1]
        if probability is not None:
            bins.setdefault(max(ceil(probability * BINS), 1), []).append((probability, is_right(answer, name)))
    found = []
    for _, members in sorted(bins.items()):
        n, right = len(members), sum(is_it for _, is_it in members)
        found.append({"probability": sum(p for p, _ in members) / n, "n": n} | wilson(right, n))
    return found


# --- figures ---


def curves(results: dict) -> list[dict]:
    """The risk-coverage curves that there are, each with its model and the model's position."""
    found = [(name, result.get("calibration", {}).get("risk_coverage")) for name, result in results["models"].items()]
    return [{"name": name, "position": n, "points": one["curve"]} for n, (name, one) in enumerate(found) if one]


def groups(results: dict) -> dict:
    """The first metric that groups of texts are measured by, and kind -> group -> (position, figure) of each model.

    Nothing where no model has groups.
    """
    found, metric = {}, None
    for position, result in enumerate(results["models"].values()):
        for kind, members in (result.get("groups") or {}).items():
            for group, scores in members.items():
                metric = metric or next(iter(scores), None)
                if metric in scores:
                    found.setdefault(kind, {}).setdefault(group, []).append((position, read(scores[metric])))
    if not found:
        return {}
    figures = [figure for members in found.values() for marks in members.values() for _, figure in marks]
    share = is_share(results, metric)
    return {"metric": metric, "share": share, "ends": domain(figures, share), "kinds": found}


def colour(position: int) -> str:
    """The class of a model's marks, by its position."""
    return f"m{position % COLOURS}" + (" hollow" if position // COLOURS % 2 else "")


def glyphs(text: str) -> bool:
    """Whether a text is emoji alone, which are shown larger than words.

    >>> glyphs("🍔🍟"), glyphs("Once upon a time")
    (True, False)
    """
    return len(text) <= 60 and not any(character.isalpha() for character in text)


# --- whatever else there is ---


def others(results: dict) -> dict[str, dict[str, dict]]:
    """What results.yaml holds beside what has a place of its own: title -> model, or "" for all -> key -> value."""
    found = {}
    for name, result in results["models"].items():
        for title, content in result.items():
            if title not in KNOWN and content:
                found.setdefault(title, {})[name] = flat(content)
    return found | {key: {"": flat(value)} for key, value in results.items() if key not in KNOWN_OF_ALL and value}
