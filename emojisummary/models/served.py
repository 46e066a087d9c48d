"""Models on a server, through the official clients: `ollama/<model>`, and `openai/<model>` for all that speak its protocol.

As a teacher a served model writes texts, as a grader it fills in a form: {"verdict": "yes" | "no", "reason": ...}, which the
server enforces where it can (`format` or `response_format`, a JSON schema). Where it can't, the plain answer is read strictly.
As a control it's asked for one emoji (asked.py).
"""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from random import getrandbits
from zlib import crc32

from emojisummary.artifacts import Row, fingerprint, slug
from emojisummary.emojis import Table
from emojisummary.ledger import sums
from emojisummary.models.asked import Asked
from emojisummary.models.dispatch import Busy, Dispatcher, Failed, Gone, Patience, Refused
from emojisummary.models.inbox import Inbox
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS

BUSY = (429, 503)
TOO_LATE = (408, 425)  # like a lost connection
WRONG_WITH_IT = (400, 403, 413, 415, 422)  # with the request: too long, or against the server's rules; other 4xx are for all
WANTS_KEY = 401
MISSING = 404
SERVER_ERROR = 500
NO_MONEY = "insufficient_quota"  # OpenAI's code for it, with status 429
UNREADABLE = (ValueError, AttributeError, TypeError, LookupError)  # from the clients: not JSON, or JSON of another shape
CONNECT = 20.0  # seconds to wait for a connection
IDLE = 0.3  # seconds until an unused connection is closed: the client looks at all of them before each request


class Served(Asked):
    """A model that one or several hosts serve. `settings` are the stage's: whom to ask, how, and how patiently."""

    reproducible = polished = False
    batch = None  # one request at a time, as many at once as help

    def __init__(self, name: str, settings, table: Table | None = None):
        self.name, self.settings, self.table = name, settings, table
        self.prompt = TASKS[settings.task].system
        self.provider, _, self.model = name.partition("/")
        if not self.model:
            raise UserError(f"{name}: a model on a server is named like ollama/gemma3 or openai/<model>.")
        self.problems = Counter()
        self.depends_on = slug(name)

    def hosts(self) -> list:
        kind = {"ollama": OllamaHost, "openai": OpenAIHost}[self.provider]
        names = getattr(self.settings, self.provider).hosts or [None]
        try:
            return [kind(self.model, name, self.settings) for name in names]
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the clients raise for an address that is none
            raise UserError(f"{self.name}: `{self.provider}.hosts` can't be used: {error}.") from None

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
        """Each request with its reply, in the order in which they come in; how long that takes is the servers' affair.

        A reply is {"text", "cut", "tokens_in", "tokens_out", "seconds", "host"}, or {"text": None, "error"} where a server
        refuses the request. Raises UserError when no host is left; the same command goes on from there, and after a kill from
        what had arrived by then.
        """
        ask = self.settings.ask
        patience = Patience(ask.concurrency, ask.max_concurrency, ask.attempts, ask.give_up_after)
        if not self.settings.arrived:
            return Dispatcher(self.hosts(), patience).answers(requests)
        part = {"language": self.settings.language, "type": self.settings.type}
        command = fingerprint([], self.settings.own() | part)[:8]
        inbox = Inbox(self.settings.folder / self.settings.arrived / f"{slug(self.name)}_{command}.arrived.jsonl")
        proven = any(row["model"] == self.name and row["rows"] for row in sums(self.settings.folder / "ledger.csv"))
        return inbox.answers(requests, lambda others: Dispatcher(self.hosts(), patience, inbox.put, proven).answers(others))


class Host:
    """One host of a model. `_send` asks through an official client, and says in our four words what went wrong."""

    name: str

    def __init__(self, model: str, settings):
        self.model, self.settings = model, settings
        self.takes_schema = True  # until it refuses one
        # What is asked again because of its reply needs another seed: with the same one, the same reply would come
        self.seed = settings.seed ^ (getrandbits(31) if getattr(settings, "retry_unusable", False) else 0)

    async def ask(self, request: Row, attempt: int) -> Row:
        """The model's reply to request["messages"], in the form of request["schema"] where there is one and the server can.

        `attempt`: how often it failed before. The seed is the request's own, and another one at each attempt.
        """
        started = time.monotonic()
        schema = request.get("schema") if self.takes_schema else None
        seed = ((crc32(request["id"].encode()) ^ self.seed) + attempt) % 2**31
        try:
            reply = await self._send(request["messages"], schema, seed)
        except Refused:
            if schema is None:
                raise
            reply = await self._send(request["messages"], None, seed)
            self.takes_schema = False  # for it was the schema
        return reply | {"seconds": time.monotonic() - started, "host": self.name}

    async def _send(self, messages: list[dict], schema: dict | None, seed: int) -> Row:
        raise NotImplementedError

    async def close(self) -> None:
        await self.client.close()


class OllamaHost(Host):
    def __init__(self, model: str, address: str | None, settings):
        from httpx import Limits, Timeout
        from ollama import AsyncClient

        super().__init__(model, settings)
        timeout = Timeout(settings.ask.timeout, connect=CONNECT)
        limits = Limits(max_keepalive_connections=settings.ask.max_concurrency, keepalive_expiry=IDLE)
        self.client = AsyncClient(host=address, timeout=timeout, limits=limits)
        self.name = str(self.client._client.base_url).rstrip("/")

    async def _send(self, messages: list[dict], schema: dict | None, seed: int) -> Row:
        from httpx import HTTPError
        from ollama import ResponseError

        options = {"seed": seed, "temperature": self.settings.temperature, "num_predict": self.settings.num_predict}
        options["num_ctx"] = self.settings.ollama.num_ctx
        keep_alive = self.settings.ollama.keep_alive
        try:
            answer = await self.client.chat(self.model, messages, format=schema, options=options, keep_alive=keep_alive)
        except ResponseError as error:
            if error.status_code == MISSING:
                raise Gone(f"has no model {self.model}. Get it with: ollama pull {self.model}") from None
            raise trouble(error.status_code, error.error) from None
        except (ConnectionError, HTTPError) as error:
            raise Failed(f"{type(error).__name__} {error}".strip()) from None
        except UNREADABLE as error:
            raise Failed(f"an answer that can't be read ({error})", reached=True) from None
        return {
            "text": answer.message.content or "",
            "cut": answer.done_reason == "length",
            "tokens_in": answer.prompt_eval_count or 0,
            "tokens_out": answer.eval_count or 0,
        }


class OpenAIHost(Host):
    def __init__(self, model: str, address: str | None, settings):
        from openai import AsyncOpenAI, Timeout

        super().__init__(model, settings)
        # without the line end that a file of keys may leave on it: the client would show it in an error
        key = os.environ.get(settings.openai.key, "").strip()
        if not key and address is None and not os.environ.get("OPENAI_BASE_URL"):
            raise UserError(f"openai/{model}: set the environment variable {settings.openai.key} to your key.")
        timeout = Timeout(settings.ask.timeout, connect=CONNECT)
        self.client = AsyncOpenAI(api_key=key or "none", base_url=address, timeout=timeout, max_retries=0)
        self.name = str(self.client.base_url).rstrip("/")

    async def _send(self, messages: list[dict], schema: dict | None, seed: int) -> Row:
        import openai

        options = {"seed": seed, "temperature": self.settings.temperature, "max_tokens": self.settings.num_predict}
        if schema:
            form = {"name": "answer", "schema": schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        try:
            answer = await self.client.chat.completions.create(model=self.model, messages=messages, **options)
            choice, usage = answer.choices[0], answer.usage
            text, finish = as_one_text(choice.message.content), choice.finish_reason
            tokens_in, tokens_out = (getattr(usage, part, 0) or 0 for part in ("prompt_tokens", "completion_tokens"))
        except openai.APIStatusError as error:
            if error.status_code == MISSING:
                raise Gone(f"has no model {self.model}.") from None
            if error.code == NO_MONEY:
                raise Gone(f"says that there's no credit left: {error.message}") from None
            raise trouble(error.status_code, error.message, error.response.headers.get("retry-after")) from None
        except openai.APIConnectionError as error:
            raise Failed(f"{error} {error.__cause__ or ''}".strip()) from None
        except (openai.APIError, *UNREADABLE) as error:  # 200, and no completion in it
            raise Failed(f"an answer that can't be read ({error})", reached=True) from None
        return {
            "text": text,
            "cut": finish == "length",
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
        }


def as_one_text(content: str | list | None) -> str:
    """What a message says, which may come in parts. Raises TypeError for what is neither.

    >>> as_one_text([{"type": "text", "text": "I love "}, {"type": "text", "text": "pizza"}])
    'I love pizza'
    """
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if not isinstance(content, str | None):
        raise TypeError(f"{type(content).__name__} in place of a text")
    return content or ""


def trouble(status: int, message: str, retry_after: str | None = None) -> Exception:
    """What a status code means for the request."""
    if status in BUSY:
        seconds = float(retry_after) if retry_after and retry_after.replace(".", "", 1).isdigit() else None
        return Busy(seconds)
    if status == WANTS_KEY:
        return Gone("wants another key: see `openai.key` in config.yaml, the name of the environment variable that holds it.")
    if status >= SERVER_ERROR or status in TOO_LATE:
        return Failed(f"{status} {message}", reached=True)
    return Refused(f"{status} {message}") if status in WRONG_WITH_IT else Gone(f"answers nothing: {status} {message}")
