"""Models asked in words: at the stand-in servers, and a tiny language model that has learned to say one thing."""

from types import SimpleNamespace

import pytest
import torch

from emojisummary.chat import answer_ids, prompt_ids
from emojisummary.emojis import Lookup
from emojisummary.evaluation import evaluate
from emojisummary.models import connect
from emojisummary.models.asked import parsing, parsing_as_text, question, readings
from emojisummary.models.base import BARE_PROMPT
from emojisummary.models.frequent import MostFrequent
from emojisummary.settings import read_settings
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from tests.stand_in import StandIn, texts

FACTS = {"name": "", "keywords": [], "category": "", "subcategory": "", "parent": None, "rank": None}
TABLE = dict.fromkeys(("🍔", "🍟", "❤️", "🏳️\u200d🌈", "🏳️", "👍"), FACTS)
QUICK = ("--ask.give_up_after", "0.1", "--resamples", "50")
PROVIDERS = pytest.mark.parametrize("name", ["ollama/stand-in", "openai/stand-in"])


def settings(*flags):
    return read_settings("evaluate", [*QUICK, *flags])


def served(name, url, *flags):
    provider = name.partition("/")[0]
    return connect(name, TABLE, settings(f"--{provider}.hosts", url + ("/v1" if provider == "openai" else ""), *flags))


# --- readings ---


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("🍔", "🍔", "🍔"),
        (" 🍔\n", "🍔", "🍔"),
        ("❤", "❤️", "❤️"),  # without VS16
        ("👍🏽", "👍", "👍"),
        ("🏳️‍🌈", "🏳️‍🌈", "🏳️‍🌈"),
        ("🍔.", None, "🍔"),
        ("🍟🍔", None, "🍟"),
        ("Best: 🍟, or 🍔", None, "🍟"),
        ("<think>🍔? No.</think>\n\n🍟", "🍟", "🍟"),
        ("<think>Perhaps 🍔, or", None, None),  # cut off in its thoughts
        ("a burger", None, None),
        ("🦄", None, None),  # not of the table
        ("", None, None),
    ],
)
def test_a_reply_is_read_strictly_and_leniently(reply, strict, lenient):
    assert readings(reply, Lookup(TABLE)) == {"strict": strict, "lenient": lenient}


def test_shares_of_both_readings():
    said = [readings(reply, Lookup(TABLE)) for reply in ("🍔", "It's 🍔", "🍟", "none")]
    result = parsing(said, [["🍟", "🍔"], ["🍔"], ["❤️"], ["🍔"]], 50, 7)
    values = {reading: [figure["value"] for figure in figures.values()] for reading, figures in result.items()}
    assert values == {"strict": [0.5, 0.25], "lenient": [0.75, 0.5]}
    assert result["strict"]["parsed"]["n"] == 4
    lines = parsing_as_text({"models": {"a": {"parsing": result}, "b": {}}})
    assert lines == "a: strict parse 50.0 %, accuracy@1 25.0 %; lenient parse 75.0 %, accuracy@1 50.0 %"


# --- on a server ---


@PROVIDERS
def test_a_served_model_is_asked_for_one_emoji_and_nothing_else(name):
    with StandIn(reply=lambda request: "It's 🍟!" if "fries" in texts(request)[-1] else "🍔") as server:
        model = served(name, server.url)
        assert model.rank([*["burger"] * 20, "fries"]) == [*[[("🍔", 1.0)]] * 20, [("🍟", 1.0)]]
    asked = server.log[-1].request
    assert texts(asked)[0].startswith("Give the best emoji for this text. Answer with one emoji and nothing else.\n\n")
    assert {asked.get("temperature", 0), asked.get("options", {}).get("temperature", 0)} == {0}
    assert [reply["strict"] for reply in model.said[-2:]] == ["🍔", None]
    assert all(reply["tokens_in"] and reply["tokens_out"] for reply in model.said)


@PROVIDERS
@pytest.mark.parametrize("fault", ["empty", "think"])
def test_what_holds_no_emoji_is_wrong_and_no_crash(name, fault):
    def faults(number, request):
        return fault if "this one" in texts(request)[-1] else None

    with StandIn(reply=lambda request: "🍔 or so", faults=faults) as server:
        ranked = served(name, server.url).rank(["a", "this one", "b"])
    assert ranked[0] == ranked[2] == [("🍔", 1.0)]
    assert ranked[1] == ([] if fault == "empty" else [("🍔", 1.0)])


@PROVIDERS
def test_a_text_that_the_server_refuses_is_a_wrong_answer(name):
    with StandIn(reply=lambda request: "🍔", faults=lambda n, r: "400" if "long" in texts(r)[-1] else None) as server:
        model = served(name, server.url)
        assert model.rank(["a", "much too long", "b"]) == [[("🍔", 1.0)], [], [("🍔", 1.0)]]
    assert "tokens_in" not in model.said[1]


@PROVIDERS
def test_a_server_that_is_down_ends_in_a_clear_error(name):
    with StandIn() as server:
        url = server.url
    with pytest.raises(UserError, match=r"http://127.0.0.1:\d+\S* gives no answers"):
        served(name, url).rank(["a"])


def test_a_model_that_the_server_lacks_ends_in_a_clear_error():
    with StandIn(models=("other",)) as server, pytest.raises(UserError, match="ollama pull stand-in"):
        served("ollama/stand-in", server.url).rank(["a"])


def test_it_is_measured_beside_models_that_rank():
    rows = [{"text": text, "answers": "🍔 ❤️"} for text in ("one", "two", "three", "four")]
    replies = {"one": "🍔", "two": "A heart: ❤", "three": "🍟", "four": "words"}
    with StandIn(reply=lambda request: replies[texts(request)[-1].rpartition("\n")[2]]) as server:
        models = {"ours": MostFrequent(TABLE), "chat": served("ollama/stand-in", server.url)}
        results, answers = evaluate(models, rows, TASKS["summary"], settings(), [], TABLE)
    chat = results["models"]["chat"]
    figures = {metric: chat["metrics"][metric]["value"] for metric in ("accuracy@1", "accuracy@5", "strict", "valid")}
    assert figures == {"accuracy@1": 0.5, "accuracy@5": 0.5, "strict": 0.25, "valid": 0.75}
    assert chat["parsing"]["strict"]["parsed"]["value"] == 0.5
    assert chat["tokens"]["answer"]["total"] == 6
    assert [answer["chat"][0] for answer in answers] == ["🍔", "❤️", "🍟", "—"]
    assert "parsing" not in results["models"]["ours"] and "tokens" not in results["models"]["ours"]


@pytest.mark.parametrize("task", ["combination", "story"])
def test_its_tokens_are_counted_where_it_does_not_rank(task):
    rows = [{"text": "🍔 🍟 👍", "answers": '["🍔🍟"]' if task == "story" else "🍔🍟"}] * 3
    with StandIn(reply=lambda request: "A burger 🍔 and fries 🍟.") as server:
        results, _ = evaluate({"chat": served("openai/stand-in", server.url)}, rows, TASKS[task], settings(), [])
    tokens = results["models"]["chat"]["tokens"]
    assert all(tokens[part]["total"] == 3 * tokens[part]["per_text"] > 0 for part in ("prompt", "answer"))


# --- a language model of one's own ---


@pytest.fixture(scope="module")
def parrot(tmp_path_factory):
    """The folder of a tiny language model that has learned to say "Sure! 🍔" to whatever it's asked."""
    from emojisummary.training.tiny import build_tiny

    torch.manual_seed(7)
    words = ["sun", "rain", "cake", "cat", "dog", "rose", "song", "tea", "moon", "train", "snow", "book"]
    size = SimpleNamespace(architecture="llama", vocab_size=400, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    lessons = [(question(BARE_PROMPT, " ".join(words)), "🍔")]
    model, tokenizer = build_tiny(SimpleNamespace(tiny=size), lessons, list(TABLE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(60):
        chat = question(BARE_PROMPT, " ".join(words[step % 9 : step % 9 + 1 + step % 4]))
        prompt, answer = prompt_ids(tokenizer, chat), answer_ids(tokenizer, chat, "Sure! 🍔")
        ids = torch.tensor([prompt + answer])
        labels = torch.tensor([[-100] * len(prompt) + answer])
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("parrot")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_untuned_language_model_answers_in_its_own_words(parrot):
    model = connect(f"base:{parrot}", TABLE, settings("--num_predict", "40"))
    assert model.rank(["tea", "snow and rain, rain and snow"]) == [[("🍔", 1.0)]] * 2
    assert [(reply["text"], reply["strict"], reply["cut"]) for reply in model.said] == [("Sure! 🍔", None, False)] * 2
    tokenizer = model.loaded[1]
    chat = question(BARE_PROMPT, "tea")
    assert model.said[0]["tokens_in"] == len(prompt_ids(tokenizer, chat))
    assert model.said[0]["tokens_out"] == len(answer_ids(tokenizer, chat, "Sure! 🍔"))


def test_answers_do_not_depend_on_what_is_asked_with_them(parrot):
    model = connect(f"base:{parrot}", TABLE, settings("--num_predict", "12"))
    several = ["tea", "a much longer text about cats and dogs on a train " * 3, "🦄", "rose"] * 5
    model.rank(several)
    together = [reply["text"] for reply in model.said]
    model.rank(["🦄"])
    assert together[2::4] == [model.said[0]["text"]] * 5


def test_a_long_answer_is_cut_and_a_long_text_fits(parrot):
    model = connect(f"base:{parrot}", TABLE, settings("--num_predict", "2"))
    assert model.rank(["sun rain", "word " * 3000])[0] == []  # of "Sure! 🍔" the beginning
    assert [(said["cut"], said["tokens_out"]) for said in model.said] == [(True, 2)] * 2
    assert model.said[1]["tokens_in"] == 1022  # of its 1,024 positions


def test_the_two_prompts():
    assert connect("base:x", TABLE, settings()).prompt == "Give the best emoji for this text"
    assert connect("base-short:x", TABLE, settings()).prompt == TASKS["summary"].system


@pytest.mark.parametrize("name", ["base:", "base-short:", "ollama/", "openai/"])
def test_a_name_without_a_model_is_refused(name):
    with pytest.raises(UserError, match="name"):
        connect(name, TABLE, settings())


def test_a_folder_without_a_language_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a causal language model"):
        connect(f"base:{tmp_path}", TABLE, settings()).rank(["a"])
