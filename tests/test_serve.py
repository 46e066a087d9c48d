"""The page to try a model: its answers and limits, the real command, and the page in a real browser."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from types import SimpleNamespace

import pytest
import torch
from playwright.sync_api import expect
from starlette.testclient import TestClient

from emojisummary.models.ranker import Ranker
from emojisummary.serve import BODY, HOST, LONGEST, application, connect_ranker, listen, read_names, serve
from emojisummary.stage import UserError
from tests.browser import LEAST_CONTRAST, SIDEWAYS, open_browser, open_page
from tests.conftest import ROOT

NAMES = {"🍔": "hamburger", "💃": "woman dancing", "🏆": "trophy", "😂": "face with tears of joy", "🌧️": "cloud with rain"}


class Words(Ranker):
    """Knows a word for some emoji."""

    def __init__(self):
        self.emoji = list(NAMES)

    def probabilities(self, texts):
        words = ("burger", "danc", "cup", "haha", "rain")
        counts = torch.tensor([[3.0 * text.lower().count(word) for word in words] for text in texts])
        return counts.softmax(dim=1)


CLIENT = TestClient(application(Words(), "runs/<demo>", NAMES), base_url="http://127.0.0.1")


def ask(**question):
    return CLIENT.post("/predict", json=question)


# --- the endpoint ---


def test_it_answers_as_predict_does():
    reply = ask(text="We won the cup!", top=3)
    assert reply.status_code == 200
    assert reply.json() == Words().predict("We won the cup!", top=3)
    assert reply.json()["ranked"][0] == ["🏆", pytest.approx(0.833953, abs=1e-3)]
    assert len(reply.json()["ranked"]) == 3
    assert len(ask(text="no top").json()["ranked"]) == len(NAMES)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x" * (LONGEST + 1)}, "text"),
        ({"text": "a", "top": 0}, "top"),
        ({"text": "a", "top": 51}, "top"),
        ({"text": "a", "top": "many"}, "top"),
        ({"text": "a", "temperature": 1}, "temperature"),
    ],
)
def test_what_is_no_question_is_refused_with_the_key(question, said):
    reply = ask(**question)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", said]


@pytest.mark.parametrize(
    "body", [r'{"text": "hi \ud83c there"}', r'{"text": "x", "\ud800": 1}', '{"text": "x", "top": NaN}', "{"]
)
def test_what_cannot_be_sent_back_is_refused_all_the_same(body):
    reply = CLIENT.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["msg"]


@pytest.mark.parametrize("text", ["", " \n ", "\u200b"])
def test_an_empty_text_is_an_error_and_no_answer(text):
    reply = ask(text=text)
    assert (reply.status_code, reply.json()["error"]) == (422, "the text is empty")


def test_the_longest_text_is_answered_whatever_its_letters():
    for letter in ("é", "🦄", "\x07", '"'):
        assert ask(text="rain " + letter * (LONGEST - 5), top=1).json()["emoji"] == "🌧️"


def test_floods_are_refused_before_they_are_read():
    assert CLIENT.post("/predict", content=b"x" * (BODY + 1)).status_code == 413
    assert CLIENT.post("/predict", content=iter([b'{"text":', b'"a"}'])).status_code == 413  # doesn't say how long it is


def test_other_sites_get_no_answer():
    assert CLIENT.post("/predict", json={"text": "a"}, headers={"Host": "elsewhere.example"}).status_code == 400
    # what a form of another site can send without asking: no JSON
    assert CLIENT.post("/predict", content=b'{"text": "a"}', headers={"Content-Type": "text/plain"}).status_code == 422
    assert "access-control-allow-origin" not in ask(text="a").headers


def test_the_page_and_nothing_from_elsewhere():
    page = CLIENT.get("/")
    assert "runs/&lt;demo&gt;" in page.text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page.text)
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert CLIENT.get("/names").json() == NAMES
    assert CLIENT.get("/docs").status_code == 404


# --- what can go wrong at the start ---


def test_a_taken_port_is_named_with_another_one():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} can't be used .*--port {port + 1}"):
            listen(port)


def test_it_listens_to_this_machine_alone():
    with listen(0) as door:
        assert door.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("name", ["runs/nothing", "ollama/gemma3", "phrasebook", ""])
def test_a_model_that_is_none_is_named(name, tmp_path):
    with pytest.raises(UserError, match="no such run.*runs/demo"):
        connect_ranker(name or str(tmp_path / "none"), SimpleNamespace(folder=tmp_path))


def test_a_run_of_another_task_is_not_for_this_page(learned):
    with pytest.raises(UserError, match="doesn't rank emoji"):
        connect_ranker(str(learned("combination").path()), SimpleNamespace(folder=ROOT))


def test_a_run_without_a_table_has_no_names(tmp_path):
    assert read_names(tmp_path) == {}


# --- the real command ---


def command(world, *flags):
    return [sys.executable, "-m", "emojisummary.serve", "--config", str(world.folder / "recipe.yaml"), *flags]


def test_the_command_answers_until_ctrl_c(world):
    world("1_emoji")
    with listen(0) as door:
        port = door.getsockname()[1]
    flags = ("--model", "most-frequent", "--port", str(port))
    with subprocess.Popen(
        command(world, *flags), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout.readline() == f"most-frequent answers at http://127.0.0.1:{port} (Ctrl-C ends)\n"
            question = json.dumps({"text": "whatever", "top": 2}).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", question, {"Content-Type": "application/json"})
            answer = json.load(urllib.request.urlopen(request, timeout=300))
            assert (answer["emoji"], len(answer["ranked"])) == ("😂", 2)
            second = subprocess.run(command(world, *flags), cwd=ROOT, capture_output=True, text=True, check=False)
            assert (second.returncode, f"Port {port} can't be used" in second.stderr) == (1, True)
            assert "Traceback" not in second.stderr
        finally:
            server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=300)
        assert server.returncode == 130
        assert "Traceback" not in said


def test_the_command_names_a_missing_run(world):
    flags = ("--model", os.path.join("runs", "nothing"), "--port", "0")
    done = subprocess.run(command(world, *flags), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "port" in done.stderr  # 0 is none
    done = subprocess.run(
        command(world, *flags[:2], "--port", str(free_port())), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "no such run" in done.stderr) == (1, True)


def free_port():
    with listen(0) as door:
        return door.getsockname()[1]


# --- the page, in a browser ---


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address():
    door = listen(0)
    threading.Thread(target=serve, args=(application(Words(), "runs/demo", NAMES), door), daemon=True).start()
    return f"http://127.0.0.1:{door.getsockname()[1]}/"


def best(page):
    return page.locator("#ranked li:first-child .emoji").inner_text()


def test_it_answers_as_one_types(browser, address):
    with open_page(browser, address) as page:
        page.keyboard.type("my burger")  # the text has the focus from the beginning
        expect(page.locator("#ranked .emoji").first).to_have_text("🍔")
        assert page.locator("#ranked li").count() == len(NAMES)
        assert page.locator("#ranked li:first-child").inner_text().split("\n")[-1] == "83.4 %"
        assert "hamburger" in page.locator("#ranked li:first-child").inner_text()
        page.keyboard.type(" dances, dances with dancers")
        expect(page.locator("#ranked .emoji").first).to_have_text("💃")
        page.fill("textarea", "")
        expect(page.locator("#ranked .emoji")).to_have_count(0)
        assert page.problems == []


def test_keys_and_clicks_copy(browser, address):
    with open_page(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.click(".examples button")
        page.wait_for_selector("#ranked button")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#said")).to_have_text("💃 is copied.")
        assert page.evaluate("navigator.clipboard.readText()") == "💃"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        second = page.locator("#ranked li:nth-child(2) .emoji").inner_text()
        expect(page.locator("#said")).to_have_text(f"{second} is copied.")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "text"
        page.locator("#ranked button").nth(3).click()
        fourth = page.locator("#ranked li:nth-child(4) .emoji").inner_text()
        expect(page.locator("#said")).to_have_text(f"{fourth} is copied.")
        assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_readable(browser, address, scheme):
    with open_page(browser, address, viewport={"width": 360, "height": 700}, color_scheme=scheme) as page:
        page.fill("textarea", "haha " + "x" * 500)
        page.wait_for_selector("#ranked button")
        expect(page.locator("#ranked.stale")).to_have_count(0)
        assert page.evaluate(SIDEWAYS) == 0
        contrast, text = page.evaluate(LEAST_CONTRAST)
        assert contrast >= 4.5, text
        assert page.problems == []


def test_a_text_of_nothing_visible_and_a_dead_server_are_said(browser, address):
    with open_page(browser, address) as page:
        page.fill("textarea", "\u200b")
        page.wait_for_selector("#problem:visible")
        assert page.inner_text("#problem") == "the text is empty"
        page.route("**/predict", lambda route: route.abort())
        page.fill("textarea", "haha")
        expect(page.locator("#problem")).to_contain_text("server")
