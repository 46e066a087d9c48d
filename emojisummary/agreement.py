"""How far graders can be trusted: pairs with a known verdict, agreement with each other, and what follows for a row.

All functions take rows in any order; graded ones have at least `id`, `language`, `grader`, `verdict` (yes, no, unclear).

    mixed = rows + canaries(rows, right, 0.02, seed, table)  # graded like all others, then told apart by `truth`
    kept, left_out = trusted(canary_rates(graded), 0.2)      # ["retriever"], {"coin": 0.5}
    probability, skills = dawid_skene([row for row in graded if row["grader"] in kept])

>>> votes = [("a", "one", "yes"), ("a", "two", "yes"), ("b", "one", "no"), ("b", "two", "no"), ("c", "one", "yes")]
>>> rows = [{"id": id, "grader": grader, "verdict": verdict} for id, grader, verdict in votes]
>>> raw_agreement(rows)["overall"], krippendorff_alpha(rows)
({'value': 1.0, 'n': 2}, 1.0)
"""

import random
from collections import Counter, defaultdict
from itertools import combinations, product
from math import sqrt
from statistics import NormalDist

from emojisummary.artifacts import Row
from emojisummary.combining import normalise
from emojisummary.emojis import Table, plain
from emojisummary.stage import UserError
from emojisummary.tasks.base import draw, topic_id

LEAST = 3  # known-wrong and known-right pairs of a file, however small
Z = NormalDist().inv_cdf(0.975)  # 1.96: 95 %, two-sided
Rates = dict[tuple[str, str], dict]  # (grader, language) -> its rates


def canaries(rows: list[Row], right: list[Row], share: float, seed: int, table: Table) -> list[Row]:
    """Pairs with a known verdict, `truth`, for the generated rows of one file, in an order that gives nothing away.

    There are `share` (0..1) times as many known-wrong ones as rows, and as many known-right ones, each at least 3;
    fewer where the material ends, none for a share of 0.
    truth "no": a row's text with another row's emoji, of the same form if possible. Every other one is hard: of the same
    category, from a subcategory that none of the text's accepted emoji is of. The rest are from a category that none is of.
    truth "yes": texts of `right` (columns text, answers, language) in the file's language, with their first answer.
    """
    if not rows or not share:
        return []
    number = max(LEAST, round(share * len(rows)))
    known = sorted((row for row in rows if row["emoji"] in table), key=lambda row: topic_id(seed, row["id"]))
    wrong = _wrong(known, _accepted([*rows, *right]), number, seed, table)
    return sorted(wrong + _right(rows[0], right, number, seed, table), key=lambda row: row["id"])


def _accepted(rows: list[Row]) -> dict[str, set[str]]:
    """Normalised text -> all emoji that any row accepts for it: one text may stand in several rows."""
    accepted = defaultdict(set)
    for row in rows:
        named = " ".join(row.get(key) or "" for key in ("emoji", "answer", "also", "answers"))
        accepted[normalise(row["text"])].update(plain(named).split())
    return accepted


def _wrong(rows: list[Row], accepted: dict[str, set[str]], number: int, seed: int, table: Table) -> list[Row]:
    facts = {plain(emoji): entry for emoji, entry in table.items()}
    pools = defaultdict(set)
    for row in rows:
        pools[row.get("form")].add(row["emoji"])
    everywhere = set().union(*pools.values())
    found = []
    for row in rows:
        own = [facts[emoji] for emoji in accepted[normalise(row["text"])] if emoji in facts]
        hard = len(found) % 2 == 1
        wishes = product((hard, not hard), (pools[row.get("form")], everywhere))  # best first
        choices = next(filter(None, (_choices(pool, row["emoji"], own, hard, table) for hard, pool in wishes)), None)
        if choices:
            emoji = draw(choices, seed, row["id"], "canary")
            id = topic_id("canary", row["id"], plain(emoji))
            found.append({**row, "id": id, "emoji": emoji, "answer": emoji, "also": "", "truth": "no"})
        if len(found) == number:
            break
    return found


def _choices(pool: set[str], emoji: str, own: list[dict], hard: bool, table: Table) -> tuple[str, ...]:
    """The emoji of a pool that are wrong, hard ones or easy ones, for a text whose accepted emoji have the facts `own`."""
    if hard:
        pool = {e for e in pool if table[e]["category"] == table[emoji]["category"]}
    kind = "subcategory" if hard else "category"
    taken = {facts[kind] for facts in own}
    return tuple(sorted(e for e in pool if table[e][kind] not in taken))


def _right(first: Row, right: list[Row], number: int, seed: int, table: Table) -> list[Row]:
    """Known-right pairs with the facts of the file that `first` is a row of."""
    file = {key: first[key] for key in ("language", "type", "teacher")}
    best = {row["text"]: row["answers"].split()[0] for row in right if row["language"] == file["language"]}
    texts = sorted(text for text, emoji in best.items() if emoji in table)
    random.Random("|".join([str(seed), *file.values()])).shuffle(texts)
    return [
        {"id": topic_id("canary", *file.values(), text), "emoji": best[text], "text": text, "answer": best[text]}
        | {**file, "truth": "yes"}
        for text in texts[:number]
    ]


def canary_rates(rows: list[Row]) -> Rates:
    """How often each grader is wrong about canaries, by (grader, language). Rows without `truth` don't count.

    Returns {(grader, language): {"n_wrong": 9, "false_accept": rate, "n_right": 9, "false_reject": rate, "unclear": rate}}:
    false_accept is the share of truth "no" that got yes, false_reject that of truth "yes" that got no or unclear, unclear
    that of both. A rate is what `wilson` returns: {"value": 0..1, "low": ..., "high": ...}.
    """
    counts = defaultdict(Counter)
    for row in rows:
        if row.get("truth"):
            counts[row["grader"], row["language"]][row["truth"], row["verdict"]] += 1
    return {key: _rates(counts[key]) for key in sorted(counts)}


def _rates(count: Counter) -> dict:
    right = sum(n for (truth, _), n in count.items() if truth == "yes")
    wrong = count.total() - right
    return {
        "n_wrong": wrong,
        "false_accept": wilson(count["no", "yes"], wrong),
        "n_right": right,
        "false_reject": wilson(right - count["yes", "yes"], right),
        "unclear": wilson(count["no", "unclear"] + count["yes", "unclear"], count.total()),
    }


def wilson(count: int, n: int) -> dict[str, float | None]:
    """The share count / n with its 95 % score interval, all in 0..1 (Wilson, 1927, JASA 22); all None for n = 0.

    >>> wilson(0, 0), round(wilson(1, 10)["low"], 3)
    ({'value': None, 'low': None, 'high': None}, 0.018)
    """
    if not n:
        return dict.fromkeys(("value", "low", "high"))
    middle = (count + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * sqrt(count * (n - count) / n + Z**2 / 4)
    return {"value": count / n, "low": max(middle - half, 0.0), "high": min(middle + half, 1.0)}


def trusted(rates: Rates, worst_false_accept: float | None) -> tuple[list[str], dict[str, float]]:
    """The graders to keep, by name, and those left out with their false-accept rate over all languages of `canary_rates`.

    Left out is whose rate (0..1) is above the limit. None keeps all, and a grader without known-wrong pairs stays.
    """
    accepted, wrong = Counter(), Counter()
    for (grader, _), rate in rates.items():
        wrong[grader] += rate["n_wrong"]
        accepted[grader] += round((rate["false_accept"]["value"] or 0) * rate["n_wrong"])
    overall = {grader: accepted[grader] / max(wrong[grader], 1) for grader in sorted(wrong)}
    left_out = {g: rate for g, rate in overall.items() if worst_false_accept is not None and rate > worst_false_accept}
    return [grader for grader in overall if grader not in left_out], left_out


def raw_agreement(rows: list[Row], unclear: bool = False) -> dict[str, dict]:
    """The share of pairs of verdicts on the same row id that agree: for each two graders, and for all pairs together.

    Returns {"overall": {"value": 0..1, "n": pairs}, "pairs": {(grader, grader): {"value": ..., "n": ...}}}; the value is
    None for n = 0. An unclear is missing, or with `unclear` a verdict of its own. Raises UserError as `_votes` does.
    """
    same, n = Counter(), Counter()
    for given in _votes(rows, unclear).values():
        for pair in combinations(sorted(given), 2):
            n[pair] += 1
            same[pair] += given[pair[0]] == given[pair[1]]
    pairs = combinations(sorted({row["grader"] for row in rows}), 2)
    return {"overall": _share(same.total(), n.total()), "pairs": {pair: _share(same[pair], n[pair]) for pair in pairs}}


def _share(same: int, n: int) -> dict[str, float | int | None]:
    return {"value": same / n if n else None, "n": n}


def krippendorff_alpha(rows: list[Row], unclear: bool = False) -> float | None:
    """Agreement beyond chance, for any number of graders, nominal verdicts and missing ones: 1 is perfect, 0 is chance.

    alpha = 1 - observed / expected disagreement (Krippendorff, 2011, Computing Krippendorff's Alpha-Reliability, section C).
    Rows with one verdict don't count. None where no row has two, or all verdicts are the same. `unclear` and errors: as
    for `raw_agreement`.
    """
    units = [Counter(given.values()) for given in _votes(rows, unclear).values() if len(given) > 1]
    totals = sum(units, Counter())
    expected = _unlike(totals)
    if not expected:
        return None
    return 1 - (totals.total() - 1) * sum(_unlike(unit) / (unit.total() - 1) for unit in units) / expected


def _unlike(counts: Counter) -> int:
    """The number of ordered pairs of two different values."""
    return counts.total() ** 2 - sum(count**2 for count in counts.values())


def _votes(rows: list[Row], unclear: bool = False) -> dict[str, dict[str, str]]:
    """Row id -> grader -> verdict, by id. Raises UserError where a grader gave one row two different verdicts."""
    votes = {id: {} for id in sorted({row["id"] for row in rows})}
    for row in rows:
        if votes[row["id"]].setdefault(row["grader"], row["verdict"]) != row["verdict"]:
            raise UserError(f"{row['grader']} gave row {row['id']} two different verdicts: is a graded file there twice?")
    return {id: {g: v for g, v in given.items() if unclear or v != "unclear"} for id, given in votes.items()}


def dawid_skene(
    rows: list[Row], rounds: int = 50, prior: tuple[float, float] = (3.0, 1.0)
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """How probably a row deserves a yes, where a vote weighs as much as its grader is reliable.

    Returns ({row id: P(yes), 0..1}, {grader: (sensitivity, specificity)}), the shares of right verdicts on what deserves a
    yes and a no, estimated by EM from the majority on (Dawid & Skene, 1979, Applied Statistics 28). Unclear is no vote.
    Canaries are anchored at their `truth`, and don't count for how frequent yes is. `prior`, both above 0: how many right
    and wrong votes of either kind each grader is given in advance (a Beta prior): nobody gets to 0 or 1, and the majority
    is more often right than wrong. Raises UserError as `_votes` does.
    """
    import numpy as np

    votes, truth = _votes(rows), {row["id"]: row["truth"] == "yes" for row in rows if row.get("truth")}
    graders = sorted({row["grader"] for row in rows})
    said = np.array([[given.get(g, "") for g in graders] for given in votes.values()]).reshape(len(votes), len(graders))
    yes, no = (said == "yes").astype(float), (said == "no").astype(float)  # rows x graders
    known = np.array([truth.get(id, np.nan) for id in votes], float)
    free = np.isnan(known)

    p = np.where(free, (yes.sum(1) + 0.5) / (yes.sum(1) + no.sum(1) + 1), known)
    for _ in range(rounds):
        sensitivity, specificity = _skill(p, yes, no, prior), _skill(1 - p, no, yes, prior)
        frequent = (p[free].sum() + 1) / (free.sum() + 2)
        odds = np.log(frequent / (1 - frequent)) + yes @ np.log(sensitivity / (1 - specificity))
        odds += no @ np.log((1 - sensitivity) / specificity)
        p = np.where(free, (1 + np.tanh(odds / 2)) / 2, known)
    skills = zip(_skill(p, yes, no, prior).tolist(), _skill(1 - p, no, yes, prior).tolist(), strict=True)
    return dict(zip(votes, p.tolist(), strict=True)), dict(zip(graders, skills, strict=True))


def _skill(p, said, other, prior):
    """By grader: the share of its votes that said so, of those on rows that are so with probability p."""
    return (prior[0] + p @ said) / (sum(prior) + p @ (said + other))
