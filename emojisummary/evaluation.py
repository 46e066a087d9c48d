"""Compares models on the same texts."""

import platform
import re
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from emojisummary.artifacts import Row, file_hash, package_versions
from emojisummary.calibration import accepted_matrix, calibrate
from emojisummary.emojis import Lookup, Table
from emojisummary.metrics import (
    confusions,
    macro_f1,
    mcnemar,
    neutral,
    never_predicted,
    paired,
    same,
    subcategory,
    with_interval,
)
from emojisummary.models.asked import parsing
from emojisummary.models.ranker import Ranker
from emojisummary.tokens import add_tokens, count_tokens

LENGTHS = (3, 10, 25, 60)  # words
RANKS = (50, 150, 600)  # of the best answer: how much it is used in the world
UNSPACED = {re.compile("[\u3040-\u30ff\u3400-\u9fff]"): 2, re.compile("[\u0e00-\u0e7f]"): 4}  # characters of a word


def evaluate(
    models: dict, rows: list[Row], task, settings, files: list[Path], table: Table | None = None, dev: Iterable[Row] = ()
) -> tuple[dict, list[Row]]:
    """The content of results.yaml, and every model's answer to every text; `models` by the name to show.

    The first model is the one that the others are compared with. With the emoji table there are measures that need it; with
    `dev`, texts beside `rows`, a model that has `probabilities` is calibrated on them.
    """
    answers = [{"text": task.readable(row["text"]), "answers": task.accepted(row)} for row in rows]
    measure = task.measure(rows, settings, table, list(dev))
    results = {"task": task.name, "columns": dict(task.columns), "numbers": list(task.numbers), "models": {}, "comparisons": []}
    tokens = {}
    for name, model in models.items():
        given, seconds = _timed(task, model, measure.texts)
        for answer, one in zip(answers, given, strict=True):
            answer[name] = task.shown(one)
        speed = {"texts": len(rows), "seconds": round(seconds, 3), "texts_per_second": round(len(rows) / seconds, 1)}
        results["models"][name] = measure(name, model, given, speed)
        tokens[name] = count_tokens(model, measure.texts, [answer[name][0] for answer in answers])
    add_tokens(results["models"], tokens, settings)
    results["comparisons"] = measure.comparisons()
    results["examples"] = answers[: settings.examples]
    results["made"] = {
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "settings": settings.own(),
        "versions": package_versions("torch", "transformers", "sentence-transformers", "tokenizers"),
        "files": {path.name: file_hash(path) for path in files},
    }
    return results, answers


def _timed(task, model, texts: list[str]) -> tuple[list, float]:
    task.ask(model, texts[:1])  # what is loaded at the first call doesn't count
    start = time.perf_counter()
    given = task.ask(model, texts)
    return given, time.perf_counter() - start


class Measure:
    """Measures one model after the other on the same texts by the task's own scores, and remembers them."""

    def __init__(self, task, rows: list[Row], settings, table: Table | None = None):
        self.task, self.rows, self.chance = task, rows, (settings.resamples, settings.seed)
        self.texts = [row["text"] for row in rows]
        self.accepted = [task.accepted(row) for row in rows]
        self.parts = parts([row | {"text": task.readable(row["text"])} for row in rows], table)
        self.scores = {}

    def __call__(self, name: str, model, given: list, speed: dict) -> dict:
        """All that results.yaml says of one model; `given` are its answers to the texts."""
        self.scores[name] = scores = self.scored(given, model)
        numbers = self.task.numbers
        metrics = {name: with_interval(values, *self.chance, None if name in numbers else 0) for name, values in scores.items()}
        more = self.more(model, given)
        return {"metrics": metrics | more.pop("metrics", {}), "timing": speed, "groups": self._groups(scores), **more}

    def scored(self, given: list, model) -> dict[str, list[float]]:
        """Each metric's scores of the texts."""
        both = zip(self.accepted, given, self.texts, strict=True)
        per_text = [self.task.score(accepted, self.task.bare(one), text) for accepted, one, text in both]
        return {metric: [score[metric] for score in per_text] for metric in per_text[0]}

    def more(self, model, given: list) -> dict:
        """What is said of a model beside the means of its scores; figures under `metrics` join them."""
        whole = self.whole(model, given)
        figures = {name: {"value": value, "n": len(given)} for name, value in whole.items() if not isinstance(value, str)}
        notes = {name: value for name, value in whole.items() if name not in figures}
        return {"metrics": figures, **({"notes": notes} if notes else {})}

    def whole(self, model, given: list) -> dict:
        """What can only be said of all answers together."""
        return self.task.whole(self.rows, given)

    def _groups(self, scores: dict[str, list[float]]) -> dict:
        return {
            kind: {
                group: {
                    metric: with_interval([scores[metric][text] for text in texts], *self.chance)
                    for metric in self.task.compared
                    if metric in scores
                }
                for group, texts in groups.items()
            }
            for kind, groups in self.parts.items()
        }

    def comparisons(self) -> list[dict]:
        """The first model with each of the others: the paired bootstrap, and for rates of right answers McNemar's test."""
        ours, *others = self.scores
        return [
            self._comparison(ours, other, metric, self.scores[ours][metric], self.scores[other][metric])
            for other in others
            for metric in self.task.compared
            if metric in self.scores[ours]
        ]

    def _comparison(self, ours: str, other: str, metric: str, our_scores: list[float], their_scores: list[float]) -> dict:
        difference = paired(our_scores, their_scores, *self.chance)
        found = {"model": ours, "control": other, "metric": metric, "difference": difference}
        rates = set(our_scores) | set(their_scores) <= {0, 1}
        return found | {"mcnemar": mcnemar(our_scores, their_scores)} if rates else found


class RankingMeasure(Measure):
    """The same for models that rank all emoji: what only a ranking, and its probabilities, can tell."""

    def __init__(self, task, rows: list[Row], settings, table: Table | None, dev: list[Row]):
        super().__init__(task, rows, settings, table)
        self.keys = {"neutral@1": neutral(table), "subcategory@1": subcategory(table)} if table else {}
        seen = set(self.texts)  # a text of no part is in both; what is measured on it may not be fitted on it
        self.dev = [row for row in dev if row["text"] not in seen]

    def scored(self, given: list, model) -> dict[str, list[float]]:
        first = [self.task.shown(best)[0] for best in given]
        return super().scored(given, model) | {metric: same(self.accepted, first, key) for metric, key in self.keys.items()}

    def more(self, model, given: list) -> dict:
        first, said = [self.task.shown(best)[0] for best in given], getattr(model, "said", None)
        return {
            "metrics": {"macro_f1": macro_f1(self.accepted, first, *self.chance)},
            "confusions": confusions(self.accepted, first),
            "never_predicted": never_predicted(self.accepted, first),
            **({"parsing": parsing(said, self.accepted, *self.chance)} if said else {}),
            **self._calibration(model),
        }

    def _calibration(self, model) -> dict:
        """Nothing for a model without probabilities of its own, or one that knows no accepted answer of `dev`."""
        has_probabilities = getattr(type(model), "probabilities", Ranker.probabilities) is not Ranker.probabilities
        if not self.dev or not has_probabilities:
            return {}
        dev = accepted_matrix(model.emoji, [self.task.accepted(row) for row in self.dev])
        test = accepted_matrix(model.emoji, self.accepted)
        if not (dev.any() and test.any()):
            return {}
        dev_probabilities, test_probabilities = (
            model.probabilities(texts).cpu().double().numpy() for texts in ([row["text"] for row in self.dev], self.texts)
        )
        return {"calibration": calibrate((dev_probabilities, dev), (test_probabilities, test), *self.chance)}


# --- groups of texts ---


def parts(rows: list[Row], table: Table | None) -> dict[str, dict[str, list[int]]]:
    """Kind of group -> group -> the numbers of its texts. Groups of facts are the largest first, others in their order.

    A text of which a fact isn't known is in no group of its kind; `rank` needs the table.
    """
    groups = {kind: _grouped([row.get(kind) for row in rows]) for kind in ("language", "form", "category")}
    groups = {kind: dict(sorted(found.items(), key=lambda item: -len(item[1]))) for kind, found in groups.items()}
    groups["length"] = _grouped([binned(words(row["text"]), LENGTHS) for row in rows], bins(LENGTHS))
    if table:
        emoji_of = Lookup(table)
        golds = [emoji_of.get(row["answers"].split()[0]) for row in rows]
        ranks = [table[gold]["rank"] if gold else None for gold in golds]
        groups["rank"] = _grouped([binned(rank, RANKS) if rank else "unranked" for rank in ranks], [*bins(RANKS), "unranked"])
    return {kind: found for kind, found in groups.items() if found}


def _grouped(names: list[str | None], order: Iterable[str] = ()) -> dict[str, list[int]]:
    numbers = {}
    for number, name in enumerate(names):
        if name:
            numbers.setdefault(name, []).append(number)
    return {name: numbers[name] for name in (*order, *numbers) if name in numbers}


def bins(ends: tuple[int, ...]) -> list[str]:
    """The names of the bins that end there.

    >>> bins((3, 10))
    ['1-3', '4-10', 'over 10']
    """
    starts = (1, *(end + 1 for end in ends))
    return [*(f"{start}-{end}" for start, end in zip(starts, ends, strict=False)), f"over {ends[-1]}"]


def binned(value: int, ends: tuple[int, ...]) -> str:
    """The bin that a whole number from 1 on falls into.

    >>> binned(4, (3, 10))
    '4-10'
    """
    return bins(ends)[sum(value > end for end in ends)]


def words(text: str) -> int:
    """How many words a text has: what white space parts. Where a language writes none, it's a rule of thumb: two characters
    of Chinese or Japanese, or four of Thai, are a word.

    >>> [words(text) for text in ("Don't forget: 8 pm!", "今天下雨了。")]
    [4, 4]
    """
    count = 0
    for pattern, characters in UNSPACED.items():
        text, found = pattern.subn("", text)
        count += -(-found // characters)
    return count + len(text.split())
