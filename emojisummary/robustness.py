"""Do answers stand what shouldn't change them, and change with what should? Pairs of texts, written by hand, say.

{"kind": "negation", "text": "He said yes!", "changed": "He didn't say yes.", "expect": "different", "accepted": "💔 😢 😭"}

Where the same answer is expected, a model is right if it gives one emoji to both texts; where another one is, if the second
answer is not the first and an accepted one. `accepted` are the emoji that fit the changed text: a model that gives 😂 to all
is unmoved by everything and never right, so their share stands beside.
"""

from pathlib import Path

from emojisummary.artifacts import Row, broken, read_tsv
from emojisummary.emojis import plain
from emojisummary.metrics import with_interval

COLUMNS = ("kind", "text", "changed", "expect", "accepted")
EXPECTED = ("same", "different")
ALL = "all"


def read_cases(path: Path) -> list[Row]:
    """The pairs of a TSV file. Raises UserError with the line for one that isn't whole."""
    cases = []
    for line, case in read_tsv(path, COLUMNS):
        if case["expect"] not in EXPECTED:
            raise broken(path, line, f"`expect` is {case['expect']!r}, not one of {', '.join(EXPECTED)}")
        if not all(case[column].strip() for column in COLUMNS):
            raise broken(path, line, "a field is empty")
        cases.append(case)
    if not cases:
        raise broken(path, None, "has a header and no rows")
    return cases


def robustness(models: dict, cases: list[Row], resamples: int, seed: int) -> dict:
    """The content of robustness.yaml: by model and kind of change the shares `as_expected` and `accepted`, then all answers."""
    results = {"models": {}, "cases": [{column: case[column] for column in COLUMNS} for case in cases]}
    for name, model in models.items():
        ranked = model.rank([case[side] for side in ("text", "changed") for case in cases], top=1)
        given = [best[0][0] if best else "" for best in ranked]
        pairs = list(zip(given[: len(cases)], given[len(cases) :], strict=True))
        for case, pair in zip(results["cases"], pairs, strict=True):
            case[name] = list(pair)
        results["models"][name] = by_kind(cases, pairs, resamples, seed)
    return results


def by_kind(cases: list[Row], pairs: list[tuple[str, str]], resamples: int, seed: int) -> dict:
    """`pairs`: the answers to a case's text and to its changed text, "" for none."""
    scores = {ALL: []}
    for case, pair in zip(cases, pairs, strict=True):
        one = score(case, *pair)
        for kind in {ALL, case["kind"]}:  # a set: a file may call its only kind `all`
            scores.setdefault(kind, []).append(one)
    return {
        kind: {
            "as_expected": with_interval([float(expected) for expected, _ in found], resamples, seed),
            "accepted": with_interval([float(accepted) for _, accepted in found], resamples, seed),
        }
        for kind, found in scores.items()
    }


def score(case: Row, before: str, after: str) -> tuple[bool, bool]:
    """Whether the answers to both texts are as expected, and whether the second is an accepted one.

    >>> score({"expect": "different", "accepted": "😢 💔"}, "🎉", "💔")
    (True, True)
    """
    is_same = bool(after) and plain(before) == plain(after)
    accepted = plain(after) in map(plain, case["accepted"].split())
    return (is_same if case["expect"] == "same" else accepted and not is_same), accepted


def as_text(results: dict) -> str:
    """A line for each kind, a column for each model: per cent as expected / per cent accepted."""
    models = results["models"]
    kinds = next(iter(models.values()))
    lines = [["change", "pairs", *models]]
    for kind in [*(kind for kind in kinds if kind != ALL), ALL]:
        shares = ([100 * one[kind][key]["value"] for key in ("as_expected", "accepted")] for one in models.values())
        lines.append([kind, str(kinds[kind]["accepted"]["n"]), *(f"{right:.1f} / {fits:.1f}" for right, fits in shares)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    body = ["  ".join(field.ljust(width) for field, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(["\nPer cent of pairs answered as expected / of changed texts answered with an accepted emoji:", *body])
