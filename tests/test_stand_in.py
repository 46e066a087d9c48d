"""The stand-in server, asked by the official clients; and what these clients raise for each of its faults.

The exceptions are written down in OLLAMA_RAISES and OPENAI_RAISES. Nothing here depends on how fast the machine is: where
requests must be there at once, they hang, and we wait until the server has seen them.
"""

import asyncio
import http.client
import json
import time

import httpx
import httpx2
import ollama
import openai
import pytest

from tests.stand_in import FAULTS, REPLIES, StandIn, by_chance, in_process, key_of

PIZZA = [{"role": "user", "content": "Pizza? 🍕"}]
VERDICT = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}, "reason": {"type": "string", "maxLength": 20}},
    "required": ["verdict", "reason"],
}
OPENAI_HTTP = openai.DefaultHttpxClient(verify=False)  # to load certificates takes longer than all that we do


def ollama_client(url: str, read: float | None = None) -> ollama.Client:
    return ollama.Client(url, verify=False, timeout=httpx.Timeout(None, read=read))


def openai_client(url: str, read: float | None = None) -> openai.OpenAI:
    options = {"timeout": httpx2.Timeout(None, read=read), "http_client": OPENAI_HTTP}
    return openai.OpenAI(base_url=url + "/v1", api_key="any", max_retries=0, **options)


def until(condition) -> None:
    """Waits for what the server's thread brings about."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("It never came.")


def asked(server, model: str = "stand-in") -> http.client.HTTPConnection:
    """A connection on which an answer is due."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/api/chat", json.dumps({"model": model, "messages": PIZZA, "stream": False}))
    return connection


# --- Ollama's client ---


def test_ollama_chat_generate_and_stream_say_the_same():
    with StandIn() as server, ollama_client(server.url) as client:
        chat, generated = client.chat("stand-in", PIZZA), client.generate("stand-in", "Pizza? 🍕")
        parts = list(client.chat("stand-in", PIZZA, stream=True))
        pieces = list(client.generate("stand-in", "Pizza? 🍕", stream=True))
    assert chat.message.role == "assistant" and len(chat.message.content.split()) == 12
    assert chat.message.content == generated.response
    assert chat.message.content == "".join(part.message.content for part in parts)
    assert chat.message.content == "".join(piece.response for piece in pieces)
    assert [part.done for part in parts] == [False] * 12 + [True] == [piece.done for piece in pieces]
    for last in (chat, generated, parts[-1], pieces[-1]):
        assert (last.model, last.done, last.done_reason) == ("stand-in", True, "stop")
        assert (last.prompt_eval_count, last.eval_count if last in (chat, generated) else 12) == (2, 12)
        assert min(last.total_duration, last.load_duration, last.prompt_eval_duration, last.eval_duration) >= 0
    assert [record.answered for record in server.log] == [True] * 4
    assert len({key_of(record.request) for record in server.log}) == 1


def test_ollama_lookups():
    with StandIn(models=("tiny", "large:8b")) as server, ollama_client(server.url) as client:
        assert [model.model for model in client.list().models] == ["tiny:latest", "large:8b"]
        assert client.ps().models == []
        client.chat("large:8b", PIZZA)
        assert [model.model for model in client.ps().models] == ["large:8b"]
        assert client.show("tiny").capabilities == ["completion"]
        assert httpx.get(server.url + "/api/version", verify=False).json().keys() == {"version"}
        assert httpx.get(server.url + "/nonsense", verify=False).status_code == 404
    assert [record.path for record in server.lookups[:2]] == ["/api/tags", "/api/ps"]
    assert len(server.log) == 1


def test_ollama_missing_model():
    with StandIn() as server, ollama_client(server.url) as client:
        for call in (lambda: client.chat("tiny", PIZZA), lambda: client.generate("tiny", "x"), lambda: client.show("tiny")):
            with pytest.raises(ollama.ResponseError, match="model 'tiny' not found") as caught:
                call()
            assert caught.value.status_code == 404


def test_ollama_loads_without_a_message_and_heeds_num_predict():
    with StandIn() as server, ollama_client(server.url) as client:
        assert client.generate("stand-in").done_reason == "load"
        short = client.chat("stand-in", PIZZA, options={"num_predict": 3})
        assert (len(short.message.content.split()), short.done_reason, short.eval_count) == (3, "length", 3)


# --- OpenAI's client ---


def test_openai_chat_stream_and_models():
    with StandIn(models=("tiny", "large")) as server:
        client = openai_client(server.url)
        whole = client.chat.completions.create(model="tiny", messages=PIZZA)
        streamed = client.chat.completions.create(
            model="tiny", messages=PIZZA, stream=True, stream_options={"include_usage": True}
        )
        *parts, last = streamed
        short = client.chat.completions.create(model="tiny", messages=PIZZA, max_tokens=3)
        assert [model.id for model in client.models.list()] == ["tiny", "large"]
    [choice] = whole.choices
    assert (choice.message.role, choice.finish_reason, whole.usage.completion_tokens) == ("assistant", "stop", 12)
    assert choice.message.content == "".join(part.choices[0].delta.content or "" for part in parts)
    assert [part.choices[0].finish_reason for part in parts[-2:]] == [None, "stop"]
    assert last.choices == [] and last.usage == whole.usage
    assert short.choices[0].finish_reason == "length"


def test_openai_missing_model():
    with StandIn() as server:
        with pytest.raises(openai.NotFoundError, match="'tiny' not found") as caught:
            openai_client(server.url).chat.completions.create(model="tiny", messages=PIZZA)
        assert caught.value.code == "model_not_found"


def test_parts_of_content_have_the_key_of_the_text():
    parts = [{"role": "user", "content": [{"type": "text", "text": "Pizza? 🍕"}]}]
    assert key_of({"messages": parts}) == key_of({"messages": PIZZA}) == key_of({"prompt": "Pizza? 🍕"})
    assert key_of({"messages": PIZZA}) != key_of({"messages": PIZZA, "system": "Be kind."})


# --- JSON ---


def in_ollamas_form(server, schema) -> dict:
    with ollama_client(server.url) as client:
        return json.loads(client.chat("stand-in", PIZZA, format=schema).message.content)


def in_openais_form(server, schema) -> dict:
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    answer = openai_client(server.url).chat.completions.create(model="stand-in", messages=PIZZA, response_format=form)
    return json.loads(answer.choices[0].message.content)


@pytest.mark.parametrize("ask", [in_ollamas_form, in_openais_form])
@pytest.mark.parametrize(
    ("verdict", "yes", "no"),
    [
        ({"type": "string", "enum": ["yes", "no"]}, "yes", "no"),
        ({"enum": ["NO", "YES"]}, "YES", "NO"),
        ({"type": "string"}, "yes", "no"),
        ({"type": "boolean"}, True, False),
        ({"type": "integer", "minimum": 1}, 1, 1),
    ],
)
def test_a_verdict_fits_the_schema(ask, verdict, yes, no):
    schema = VERDICT | {"properties": {"reason": {"type": "string", "maxLength": 20}, "verdict": verdict}}
    for name, expected in {"yes": yes, "no": no}.items():
        with StandIn(reply=REPLIES[name]) as server:
            assert ask(server, schema) == {"reason": name, "verdict": expected}
    with StandIn() as server:
        answer = ask(server, schema)
        assert list(answer) == ["reason", "verdict"] and answer["verdict"] in (yes, no) and len(answer["reason"]) == 20
        assert ask(server, schema) == answer


def test_other_json():
    with StandIn(reply=REPLIES["echo"]) as server:
        assert in_ollamas_form(server, "json") == {"answer": "Pizza? 🍕"}
        several = {"type": "object", "properties": {"texts": {"type": "array", "items": {"type": "string"}, "minItems": 2}}}
        assert in_ollamas_form(server, several) == {"texts": ["Pizza? 🍕"] * 2}


# --- what the clients raise ---

BROKEN_JSON = (json.JSONDecodeError, "line 1 column")
OLLAMA_RAISES = {
    "400": (ollama.ResponseError, "status code: 400"),
    "401": (ollama.ResponseError, "status code: 401"),
    "402": (ollama.ResponseError, "status code: 402"),
    "404": (ollama.ResponseError, "status code: 404"),
    "429": (ollama.ResponseError, "status code: 429"),  # it doesn't show the header Retry-After
    "500": (ollama.ResponseError, "status code: 500"),
    "503": (ollama.ResponseError, "maximum pending requests exceeded .status code: 503"),
    "hang": (httpx.ReadTimeout, None),  # without a timeout, its default, the client waits for ever
    "reset": (httpx.ReadError, None),  # AsyncClient's have no message, and neither has its ReadTimeout
    "cut": (httpx.RemoteProtocolError, "peer closed connection without sending complete message body"),
    "malformed": BROKEN_JSON,
    "html": BROKEN_JSON,
}
OPENAI_RAISES = {
    "400": (openai.BadRequestError, "400"),
    "401": (openai.AuthenticationError, "401"),
    "402": (openai.APIStatusError, "402"),
    "404": (openai.NotFoundError, "404"),
    "429": (openai.RateLimitError, "429"),
    "500": (openai.InternalServerError, "500"),
    "503": (openai.InternalServerError, "503"),  # the same class as for 500: look at its status_code
    "hang": (openai.APITimeoutError, "timed out"),  # an APIConnectionError too; the default timeout is 10 minutes
    "reset": (openai.APIConnectionError, "Connection error"),
    "cut": (openai.APIConnectionError, "Connection error"),
    "malformed": BROKEN_JSON,  # not one of its own errors
}  # "html" raises nothing, see below


def chatted(url: str, read: float | None = None) -> str:
    return ollama_client(url, read).chat("stand-in", PIZZA).message.content


def generated(url: str, read: float | None = None) -> str:
    return ollama_client(url, read).generate("stand-in", PIZZA[0]["content"]).response


def streamed(url: str, read: float | None = None) -> str:
    return "".join(part.message.content for part in ollama_client(url, read).chat("stand-in", PIZZA, stream=True))


def awaited(url: str, read: float | None = None) -> str:
    client = ollama.AsyncClient(url, verify=False, timeout=httpx.Timeout(None, read=read))
    return asyncio.run(client.chat("stand-in", PIZZA)).message.content


def completed(url: str, read: float | None = None, **options):
    return openai_client(url, read).chat.completions.create(model="stand-in", messages=PIZZA, **options)


def completed_text(url: str, read: float | None = None) -> str:
    return completed(url, read).choices[0].message.content


def completed_in_parts(url: str, read: float | None = None) -> str:
    return "".join(part.choices[0].delta.content or "" for part in completed(url, read, stream=True))


WAYS = {chatted: OLLAMA_RAISES, generated: OLLAMA_RAISES, streamed: OLLAMA_RAISES, awaited: OLLAMA_RAISES}
WAYS |= {completed_text: OPENAI_RAISES, completed_in_parts: OPENAI_RAISES}


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("fault", OLLAMA_RAISES)
def test_a_fault_raises(fault, ask):
    if fault not in WAYS[ask]:
        pytest.skip("see test_openai_takes_a_page_for_an_answer")
    kind, message = WAYS[ask][fault]
    with StandIn(faults=lambda number, request: fault if number == 1 else None) as server:
        with pytest.raises(kind, match=message) as caught:
            ask(server.url, read=0.3 if fault == "hang" else None)
        assert caught.type is kind
        assert len(ask(server.url).split()) == 12
        first, second = server.log
        until(lambda: not server.in_flight)  # who hung has gone
    assert (first.number, first.fault, second.number, second.fault) == (1, fault, 2, None)
    assert second.answered and (not first.answered or fault in {"malformed", "html"})


def test_openai_takes_a_page_for_an_answer():
    with StandIn(faults=lambda number, request: "html") as server:
        assert completed(server.url).startswith("<html>")  # a str, not a ChatCompletion
        assert completed_in_parts(server.url) == ""  # a stream without parts


@pytest.mark.parametrize("ask", WAYS)
def test_faults_that_raise_nothing(ask):
    faults = [None, "drip", "empty", "think", "length"]
    with StandIn(faults=lambda number, request: faults[number - 1], drip=0) as server:
        plain, dripped, empty, thought, short = [ask(server.url) for _ in faults]
    assert dripped == plain
    assert empty == ""
    assert thought.startswith("<think>") and thought.endswith("</think>\n\n" + plain)
    assert short == plain[: len(plain) // 2]
    assert all(record.answered for record in server.log)


def test_reasons_to_end_and_when_to_come_back():
    with StandIn(faults=lambda number, request: ["length", "length", "429", "429"][number - 1], retry_after=7) as server:
        assert ollama_client(server.url).chat("stand-in", PIZZA).done_reason == "length"
        assert completed(server.url).choices[0].finish_reason == "length"
        with pytest.raises(openai.RateLimitError) as caught:
            completed(server.url)
        assert caught.value.response.headers["Retry-After"] == "7"
        assert caught.value.body == {
            "message": "too many requests", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"
        }  # fmt: skip
        answer = httpx.post(server.url + "/api/chat", json={"model": "stand-in", "messages": PIZZA}, verify=False)
        assert (answer.status_code, answer.json()) == (429, {"error": "too many requests"})


def test_every_fault_is_known_here():
    assert set(FAULTS) == {*OLLAMA_RAISES, "drip", "empty", "think", "length"}
    assert set(OLLAMA_RAISES) == {*OPENAI_RAISES, "html"}


def test_a_mistake_in_a_test_drops_the_connection(caplog):
    with StandIn(reply=lambda request: 1 / 0) as server, pytest.raises(httpx.RemoteProtocolError):
        chatted(server.url)
    with StandIn(faults=lambda number, request: "nonsense") as server, pytest.raises(httpx.RemoteProtocolError):
        chatted(server.url)
    assert "ZeroDivisionError" in caplog.text and "no fault nonsense" in caplog.text


# --- slots, models, restarts ---


def test_slots_bound_what_is_answered_at_once():
    async def many(url):
        client = ollama.AsyncClient(url, verify=False)
        questions = [[{"role": "user", "content": f"Pizza {n}?"}] for n in range(40)]
        return await asyncio.gather(*(client.chat("stand-in", question) for question in questions))

    with StandIn(slots=3, latency=0.01) as server:
        answers = asyncio.run(many(server.url))
        assert len({answer.message.content for answer in answers}) == 40
        assert 1 <= server.highest_in_flight <= 3
        assert server.in_flight == server.waiting == 0
    assert all(record.answered for record in server.log)


def test_a_full_queue_and_clients_that_go():
    with StandIn(slots=2, queue=3, faults=lambda number, request: "hang" if number <= 5 else None) as server:
        connections = [asked(server) for _ in range(5)]
        until(lambda: server.in_flight + server.waiting == 5)
        assert (server.in_flight, server.waiting) == (2, 3)
        with pytest.raises(ollama.ResponseError, match="maximum pending requests exceeded"):
            chatted(server.url)
        with pytest.raises(openai.InternalServerError, match="maximum pending requests exceeded"):
            completed(server.url)
        for connection in connections:
            connection.close()
        until(lambda: not server.in_flight + server.waiting)  # their slots are free again
        assert chatted(server.url)
        assert (server.highest_in_flight, server.highest_open) == (2, 5)


def test_swaps_are_counted():
    with StandIn(models=("tiny", "large")) as server, ollama_client(server.url) as client:
        for model in ("tiny", "tiny:latest", "large", "tiny", "tiny"):
            client.chat(model, PIZZA)
        assert server.swaps == 2


def test_another_model_waits_until_those_before_are_answered():
    with StandIn(slots=4, models=("tiny", "large"), faults=lambda number, request: "hang" if number == 1 else None) as server:
        first = asked(server, "tiny")
        until(lambda: server.in_flight == 1)
        second = asked(server, "large")
        until(lambda: server.waiting == 1)
        assert (server.in_flight, server.swaps) == (1, 0)
        first.close()
        assert second.getresponse().status == 200
        assert (server.swaps, server.loaded) == (1, "large:latest")
        second.close()


def test_stop_and_restart_on_the_same_port():
    server = StandIn(faults=lambda number, request: "hang" if number == 2 else None).start()
    url = server.url
    chatted(url)
    hanging = asked(server)
    until(lambda: server.in_flight == 1)
    server.stop()
    with pytest.raises(http.client.RemoteDisconnected):
        hanging.getresponse()
    assert server.in_flight == 0
    with pytest.raises(ConnectionError, match="Failed to connect to Ollama"):
        chatted(url)
    with pytest.raises(openai.APIConnectionError):
        completed(url)
    server.start()
    assert server.url == url and server.loaded is None
    chatted(url)
    server.restart()
    chatted(url)
    server.stop()
    server.stop()
    assert [record.answered for record in server.log] == [True, False, True, True]


def test_a_port_in_use():
    with StandIn() as server, pytest.raises(OSError, match="in use"):
        StandIn(port=server.port).start()


def test_one_connection_takes_many_requests_and_nonsense():
    with StandIn() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for body, status in [("{", 400), ("[]", 400), ('{"prompt": "x"}', 400), ('{"model": "stand-in", "prompt": "x"}', 200)]:
            connection.request("POST", "/api/generate", body)
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (status, True)
        assert len(server.connections) == 1
        connection.close()


# --- in a process of its own ---


def test_the_process_and_its_log():
    flags = ["--model", "tiny", "--model", "large", "--reply", "echo", "--fault", "think:0.5", "--seed", "3"]
    began = time.time()
    with in_process("--port", "0", "--slots", "2", "--latency", "0.001", *flags) as url:
        with ollama.Client(url, verify=False) as client:
            texts = [client.chat("large", PIZZA).message.content for _ in range(8)]
            with pytest.raises(ollama.ResponseError, match="model 'x' not found"):
                client.chat("x", PIZZA)
        log = httpx.get(url + "/stand-in/log", verify=False).json()
    expected = by_chance({"think": 0.5}, seed=3)
    faults = [expected(number, {}) for number in range(1, 10)]
    assert [record["fault"] for record in log] == faults and set(faults) == {"think", None}
    assert [text.startswith("<think>") for text in texts] == [fault == "think" for fault in faults[:8]]
    same = {"number": 1, "path": "/api/chat", "model": "large", "key": key_of({"messages": PIZZA})}
    sent = [record.pop("sent") for record in log]
    assert log[0] == same | {"answered": True, "fault": faults[0]}
    assert began < sent[0] < sent[7] < time.time() and not sent[8]
    assert log[8]["model"] == "x" and not log[8]["answered"]


def test_faults_by_chance_come_as_often_as_they_should():
    faults = by_chance({"reset": 0.1, "hang": 0.05}, seed=0)
    drawn = [faults(number, {}) for number in range(10_000)]
    assert 900 < drawn.count("reset") < 1100 and 430 < drawn.count("hang") < 570
