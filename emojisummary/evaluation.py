"""Compares models on the same texts."""

import platform
import time
from datetime import date
from pathlib import Path

from emojisummary.artifacts import Row, file_hash, package_versions
from emojisummary.metrics import paired, with_interval

DEEPEST = 50  # how far down a ranking the mean reciprocal rank looks; a gold answer behind it counts as not found


def evaluate(models: dict, rows: list[Row], task, settings, files: list[Path]) -> tuple[dict, list[Row]]:
    """The content of results.yaml, and every model's answer to every text; `models` by the name to show.

    The first model is the one that the others are compared with.
    """
    answers = [{"text": row["text"], "answers": row["answers"].split()} for row in rows]
    scores, results = {}, {"models": {}, "comparisons": []}
    for name, model in models.items():
        ranked, seconds = _timed(model, [row["text"] for row in rows])
        for answer, best in zip(answers, ranked, strict=True):
            answer[name] = best[0]
        per_text = [
            task.score(answer["answers"], [emoji for emoji, _ in best]) for answer, best in zip(answers, ranked, strict=True)
        ]
        scores[name] = {metric: [score[metric] for score in per_text] for metric in per_text[0]}
        results["models"][name] = {
            "metrics": {m: with_interval(v, settings.resamples, settings.seed) for m, v in scores[name].items()},
            "timing": {"texts": len(rows), "seconds": round(seconds, 3), "texts_per_second": round(len(rows) / seconds, 1)},
        }
    ours, *others = scores
    for other in others:
        for metric in ("accuracy@1", "accuracy@5"):
            difference = paired(scores[ours][metric], scores[other][metric], settings.resamples, settings.seed)
            results["comparisons"].append({"model": ours, "control": other, "metric": metric, "difference": difference})
    results["examples"] = answers[: settings.examples]
    results["made"] = {
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "settings": settings.own(),
        "versions": package_versions("torch", "transformers", "sentence-transformers", "tokenizers"),
        "files": {path.name: file_hash(path) for path in files},
    }
    return results, answers


def _timed(model, texts: list[str]) -> tuple[list, float]:
    model.rank(texts[:1])  # what is loaded at the first call doesn't count
    start = time.perf_counter()
    ranked = model.rank(texts, top=DEEPEST)
    return ranked, time.perf_counter() - start
