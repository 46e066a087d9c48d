"""The ledger adds up, over hosts and over resumed runs; a plan says what is to come."""

import pytest

from emojisummary.ledger import Ledger, as_text, forecast, sums


def reply(host="a", tokens_in=90, tokens_out=40, seconds=2.0):
    return {"text": "x", "host": host, "tokens_in": tokens_in, "tokens_out": tokens_out, "seconds": seconds}


def work(folder, replies, stage="generate", model="ollama/gemma3"):
    with Ledger(folder, stage, model, len(replies)) as ledger:
        for one, usable in replies:
            ledger.count(one, usable)


def test_costs_add_up_by_host_and_over_runs(tmp_path):
    work(tmp_path, [(reply(), True), (reply(), False), (reply("b"), True)])
    work(tmp_path, [(reply("b"), True)])
    a, b = sums(tmp_path / "ledger.csv")
    assert a == {
        "stage": "generate", "model": "ollama/gemma3", "host": "a", "rows": 1, "unusable": 1, "tokens_in": 180,
        "tokens_out": 80,
        "seconds": 4.0,
    }  # fmt: skip
    assert (b["host"], b["rows"], b["tokens_out"]) == ("b", 2, 80)
    assert len(as_text(tmp_path / "ledger.csv").splitlines()) == 3


def test_a_run_that_is_stopped_leaves_its_costs(tmp_path):
    with pytest.raises(KeyboardInterrupt), Ledger(tmp_path, "generate", "ollama/gemma3", 9) as ledger:
        ledger.count(reply(), usable=True)
        raise KeyboardInterrupt
    assert sums(tmp_path / "ledger.csv")[0]["rows"] == 1


def test_stages_and_models_are_kept_apart(tmp_path):
    work(tmp_path, [(reply(), True)])
    work(tmp_path, [(reply(), True)], stage="validate")
    work(tmp_path, [(reply(), True)], model="ollama/qwen2.5")
    assert len(sums(tmp_path / "ledger.csv")) == 3


def test_what_costs_nothing_is_not_listed(tmp_path):
    work(tmp_path, [({"text": "from the phrasebook"}, True)])
    assert sums(tmp_path / "ledger.csv") == []
    assert as_text(tmp_path / "ledger.csv") == ""


def test_a_forecast_goes_by_the_probe():
    said = forecast([reply()] * 5, elapsed=10, rows=1805)
    assert said == "1,800 rows to go; some 162,000 tokens in, 72,000 out; 1.0 hours at 0.5 rows/s"


def test_without_replies_there_is_no_forecast():
    assert forecast([], elapsed=1, rows=0) == "0 rows to go"
