import importlib.util
import random
import string
import unicodedata
from pathlib import Path

import pytest

from emojisummary import combining
from emojisummary.artifacts import GRADED, read_csv, write_csv, write_text, write_yaml, yaml_line
from emojisummary.combining import merge, near_duplicates, normalise, shuffled, without_duplicates
from emojisummary.settings import read_settings
from emojisummary.stage import UserError

ROOT = Path(__file__).parent.parent


def vote(id, verdict, grader="one", text=None, answer="😀"):
    return {
        "id": id,
        "emoji": answer,
        "text": text or f"text {id}",
        "answer": answer,
        "language": "english",
        "type": "paragraph",
        "teacher": "phrasebook",
        "grader": grader,
        "verdict": verdict,
        "reason": "",
    }


def row(id, text, answer="😀", also=""):
    return {"id": id, "text": text, "answer": answer, "also": also, "votes": 1}


# --- votes ---


@pytest.mark.parametrize(
    ("verdicts", "votes"),
    [(["yes"], 1), (["no"], 0), (["unclear"], 0), (["yes", "yes", "yes"], 3), (["no", "yes", "unclear"], 1), (["no", "no"], 0)],
)
def test_only_yes_is_a_vote(verdicts, votes):
    (merged,) = merge([vote("a", verdict, f"grader {n}") for n, verdict in enumerate(verdicts)], {})
    assert merged["votes"] == votes


def test_merge_makes_one_row_for_each_id_in_order_of_appearance():
    rows = merge([vote("b", "yes"), vote("a", "no"), vote("b", "yes", "two")], {"a": "🍔 🍟"})
    assert [(r["id"], r["votes"], r["also"]) for r in rows] == [("b", 2, ""), ("a", 0, "🍔 🍟")]


def test_a_grader_has_one_vote_for_a_row_however_often_it_stands_there():
    (merged,) = merge([vote("a", "yes"), vote("a", "yes"), vote("a", "no", "two")], {})
    assert merged["votes"] == 1


def test_merge_leaves_the_votes_it_was_given_alone():
    graded = [vote("a", "yes")]
    merge(graded, {"a": "🍔"})
    assert graded == [vote("a", "yes")]


# --- quorum, by the script itself ---


def combine(folder, *flags, validation="something else entirely"):
    spec = importlib.util.spec_from_file_location("combine", ROOT / "4_combine.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    write_yaml(folder / "validation.yaml", [{"text": validation, "answers": "😀"}])
    write_yaml(folder / "r" / "emoji_data.yaml", {"😀": {}, "🍔": {}})
    flags = ["--runs_folder", str(folder), "--run", "r", "--validation_set", str(folder / "validation.yaml"), *flags]
    script.main(read_settings("combine", flags))
    return read_csv(folder / "r" / "training_data.csv", ("id", "text", "answer", "votes", "also"))


def graded_run(folder, votes, also=None):
    for grader in {v["grader"] for v in votes}:
        path = folder / "r" / "graded" / f"english_paragraph_phrasebook_{grader}.csv"
        write_csv(path, GRADED, [v for v in votes if v["grader"] == grader])
    rows = [vote | {"also": (also or {}).get(id, "")} for id, vote in {v["id"]: v for v in votes}.items()]
    write_text(folder / "r" / "generated" / "english_paragraph_phrasebook.yaml", "".join(map(yaml_line, rows)))


VOTES = [
    vote("a", "yes", "one"),
    vote("a", "yes", "two"),
    vote("a", "yes", "three"),
    vote("b", "yes", "one"),
    vote("b", "no", "two"),
    vote("b", "yes", "three"),
    vote("c", "unclear", "one"),
    vote("c", "no", "two"),
    vote("c", "yes", "three"),
    vote("d", "no", "one"),
]


@pytest.mark.parametrize(("quorum", "kept"), [(1, "abc"), (2, "ab"), (3, "a")])
def test_a_row_needs_at_least_quorum_yes_votes(quorum, kept, tmp_path):
    graded_run(tmp_path, VOTES)
    assert sorted(r["id"] for r in combine(tmp_path, "--quorum", str(quorum))) == list(kept)


def test_a_quorum_that_nothing_reaches_is_a_user_error(tmp_path):
    graded_run(tmp_path, VOTES)
    with pytest.raises(UserError, match="4 yes"):
        combine(tmp_path, "--quorum", "4")


def test_where_no_row_is_left_the_error_says_what_became_of_them(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "text,answer\nsomething else entirely,😀\nSOMETHING else entirely!,😀\n", encoding="utf-8"
    )
    own = ("--rows", str(tmp_path / "mine.csv"))
    with pytest.raises(UserError) as error:
        combine(tmp_path, *own)
    what_became = "2 rows of your own and 0 graded ones is left; duplicates: 1; too near to a validation text: 1."
    assert str(error.value) == f"None of {what_became}"
    graded_run(tmp_path, [vote("a", "no"), vote("b", "yes")])
    write_text(tmp_path / "r" / "generated" / "english_paragraph_phrasebook.yaml", yaml_line(vote("a", "no")))
    with pytest.raises(
        UserError, match=r"2 rows of your own and 1 graded ones .* too few yes: 1; .* no longer there .*: 1\. .* 1 yes"
    ):
        combine(tmp_path, *own)


def test_graders_that_the_filter_leaves_out_do_not_vote(tmp_path):
    graded_run(tmp_path, VOTES)
    assert sorted(r["id"] for r in combine(tmp_path, "--grader", "one")) == ["a", "b"]


def test_a_text_below_the_quorum_does_not_join_the_also_of_its_duplicate(tmp_path):
    graded_run(tmp_path, [vote("a", "yes", text="same"), vote("b", "no", text="same", answer="🍔")])
    assert [(r["answer"], r["also"]) for r in combine(tmp_path)] == [("😀", "")]


def test_also_comes_from_the_generated_rows(tmp_path):
    graded_run(tmp_path, [vote("a", "yes")], also={"a": "😃 😄"})
    assert combine(tmp_path)[0]["also"] == "😃 😄"


@pytest.mark.parametrize("change", [{"text": "corrected"}, {"emoji": "🍔"}, {"answer": "🍔"}, {"id": "another"}])
def test_a_verdict_on_a_row_that_is_no_longer_there_is_no_vote(change, tmp_path, capsys):
    graded_run(tmp_path, [vote("a", "yes", "one"), vote("b", "yes", "one"), vote("b", "yes", "two")])
    now = [vote("a", "yes"), vote("b", "yes") | change]
    write_text(tmp_path / "r" / "generated" / "english_paragraph_phrasebook.yaml", "".join(map(yaml_line, now)))
    assert [r["id"] for r in combine(tmp_path)] == ["a"]
    assert "1 rows of 1\n" in (said := capsys.readouterr().out)
    assert "verdicts on texts that are no longer there (python 3_validate.py): 2" in said
    assert [line["rows"] for line in read_csv(tmp_path / "r" / "coverage.csv", ("rows",))] == ["1"]


def test_yes_votes_on_two_texts_are_not_added_up(tmp_path):
    graded_run(tmp_path, [vote("a", "yes", "one", "old text"), vote("a", "yes", "two", "new text")])
    assert [(r["text"], r["votes"]) for r in combine(tmp_path)] == [("new text", "1")]


def test_a_validation_text_does_not_get_into_the_training_data(tmp_path):
    graded_run(
        tmp_path, [vote("a", "yes", text="We won the cup, we won the cup!"), vote("b", "yes", text="Rain again all day.")]
    )
    assert [r["id"] for r in combine(tmp_path, validation="we won the cup; we won the CUP")] == ["b"]


def test_a_row_of_ones_own_with_an_unknown_answer_is_counted_and_takes_no_good_one_with_it(tmp_path, capsys):
    write_text(tmp_path / "mine.csv", "text,answer\nMerry Christmas,:tree:\nmerry christmas!,🍔\nHot day,😀\n\u200b,😀\n")
    rows = combine(tmp_path, "--rows", str(tmp_path / "mine.csv"))
    assert sorted((r["text"], r["answer"], r["also"]) for r in rows) == [("Hot day", "😀", ""), ("merry christmas!", "🍔", "")]
    printed = capsys.readouterr().out
    assert "2 rows of 4" in printed
    assert "  whose answer is not in the emoji table: 1\n  without text: 1\n" in printed
    assert "duplicates: 0" in printed


def test_none_of_ones_own_rows_being_usable_says_why(tmp_path):
    write_text(tmp_path / "mine.csv", "text,answer\nMerry Christmas,:tree:\n")
    with pytest.raises(UserError, match="None of 1 rows of your own .* is left; whose answer is not in the emoji table: 1"):
        combine(tmp_path, "--rows", str(tmp_path / "mine.csv"))


def test_a_validation_text_in_decomposed_letters_does_not_get_into_the_training_data(tmp_path):
    text = "Zur Eröffnung gab es Käse, Brötchen und süße Törtchen für alle."
    graded_run(tmp_path, [vote("a", "yes", text=text), vote("b", "yes", text="Rain again all day.")])
    assert [r["id"] for r in combine(tmp_path, validation=unicodedata.normalize("NFD", text))] == ["b"]


# --- duplicates ---


@pytest.mark.parametrize(
    ("one", "other"),
    [("We won!", "we won"), ("We won", "We  won."), ("a\nb", "a b"), ("“Hi”, she said", 'hi she "said"'), ("Ärger", "ärger")],
)
def test_texts_that_differ_in_case_and_punctuation_are_duplicates(one, other):
    assert normalise(one) == normalise(other)
    assert [r["id"] for r in without_duplicates([row("a", one), row("b", other)])] == ["a"]


@pytest.mark.parametrize("text", ["Café", "Ärger", "한국", "ガラス", "İzmir", "\u212bland"])
def test_letters_put_together_and_taken_apart_are_the_same(text):
    assert len({normalise(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")} | {normalise(text)}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("We won", "We own"),
        ("1 2", "12"),
        ("!", "?"),
        ("🔥", "❤️"),
        ("猫", "犬"),
        ("کتاب", "کباب"),
        ("लड़का", "लड़की"),
        ("नाक", "नौका"),
        ("หมี", "หมู"),
        ("cafe\u0301s", "cafe s"),
        ("so 🔥", "so ❤️"),
    ],
)
def test_other_texts_are_no_duplicates(one, other):
    assert [r["id"] for r in without_duplicates([row("a", one), row("b", other)])] == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("😀", ""), ("🍔", "")], "🍔"),
        ([("😀", ""), ("🍔", ""), ("🍟", ""), ("🍔", "")], "🍔 🍟"),
        ([("😀", "🍔"), ("🍔", "")], "🍔"),
        ([("😀", "😃"), ("🍔", "")], "😃 🍔"),
        ([("😀", ""), ("😀", "")], ""),
        ([("❤️", ""), ("❤", "")], ""),
        ([("😀", "❤"), ("❤️", "")], "❤"),
    ],
)
def test_other_answers_of_a_duplicate_join_also(rows, expected):
    (kept,) = without_duplicates([row(str(n), "same text", *facts) for n, facts in enumerate(rows)])
    assert (kept["id"], kept["answer"], kept["also"]) == ("0", rows[0][0], expected)


def test_without_duplicates_of_nothing_is_nothing():
    assert without_duplicates([]) == []


# --- near-duplicates ---


def jaccard(a, b):
    a, b = (f" {' '.join(text.split())} " for text in (a, b))
    a, b = ({text[n : n + 5] for n in range(max(len(text) - 4, 1))} for text in (a, b))
    return len(a & b) / len(a | b)


def random_texts(seed):
    chance = random.Random(seed)
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(1, 8))) for _ in range(60)]
    others = [" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(40)]
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(40)]
    for other in others:  # and copies, with one letter, one word or the end changed
        place = chance.randrange(len(other))
        texts += [other, other[:place] + "x" + other[place + 1 :], other[:place], f"{other} {chance.choice(words)}"]
    return [text for text in texts if text.strip()], others


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.6, 0.9, 1.0])
@pytest.mark.parametrize(("seed", "block"), [(0, 7), (1, 7), (2, 2048)])
def test_near_duplicates_are_those_of_a_brute_force_jaccard(seed, block, threshold, monkeypatch):
    monkeypatch.setattr(combining, "BLOCK", block)
    texts, others = random_texts(seed)
    expected = {i for i, text in enumerate(texts) if any(jaccard(text, other) >= threshold for other in others)}
    assert near_duplicates(texts, others, threshold) == expected
    assert 0 < len(expected) <= len(texts)


@pytest.mark.parametrize(
    ("text", "other", "similarity"),
    [
        ("abcdef", "abcdef", 1),
        ("abc", "abc", 1),
        ("abcdefgh", "abcdefg", 4 / 7),
        ("aaaaaaaa", "aaaaaaaaaaaa", 1),
        ("abc", "xyz", 0),
    ],
)
def test_the_threshold_itself_is_near(text, other, similarity):
    assert jaccard(text, other) == similarity
    if similarity:
        assert near_duplicates([text], [other], similarity) == {0}
    assert near_duplicates([text], [other], similarity + 0.001) == set()


@pytest.mark.parametrize(("texts", "others"), [([], ["a"]), (["a"], []), ([], [])])
def test_nothing_is_near_to_nothing(texts, others):
    assert near_duplicates(texts, others, 0.5) == set()


@pytest.mark.parametrize("texts", [["!?"], ["🔥"], ["", "a"], ["x" * 5000], ["नमस्ते दुनिया"]])
def test_odd_texts_are_near_to_themselves(texts):
    assert near_duplicates(texts, texts, 1.0) == set(range(len(texts)))


# --- order ---


@pytest.mark.parametrize("seed", range(5))
def test_the_order_depends_only_on_ids_and_seed(seed):
    rows = [{"id": f"{n:03}", "text": str(n)} for n in range(50)]
    mixed = random.Random(seed).sample(rows, 50)
    others = [r | {"text": "other", "more": 1} for r in mixed]
    assert shuffled(mixed, 7) == shuffled(rows, 7)
    assert [r["id"] for r in shuffled(others, 7)] == [r["id"] for r in shuffled(rows, 7)]


def test_another_seed_is_another_order_of_the_same_rows():
    rows = [{"id": f"{n:03}"} for n in range(50)]
    assert shuffled(rows, 7) != shuffled(rows, 8)
    assert sorted(r["id"] for r in shuffled(rows, 7)) == [r["id"] for r in rows]


def test_the_order_is_the_same_on_every_machine():
    assert "".join(r["id"] for r in shuffled([{"id": id} for id in "abcdefgh"], 7)) == "ghceadbf"


def test_the_list_that_is_shuffled_stays_as_it_was():
    rows = [{"id": "b"}, {"id": "a"}]
    shuffled(rows, 7)
    assert rows == [{"id": "b"}, {"id": "a"}]
