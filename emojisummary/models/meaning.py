"""An offline grader of rewritten texts: does the answer still mean what the original says, by a sentence encoder?"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property

from emojisummary.artifacts import Row, fingerprint
from emojisummary.models.encoder import Encoder, encoder_folder
from emojisummary.stage import UserError

TOKENS = 256  # it reads so much of both


class Meaning:
    """Yes where the cosine of the vectors of `original` and `answer` is at least `least` (0..1), or no original is known."""

    name = "meaning"
    reproducible = True
    batch = 256

    def __init__(self, encoder: str, least: float):
        self.folder, self.least, self.problems = encoder_folder(encoder), least, Counter()
        self.depends_on = fingerprint([self.folder / "model.safetensors"], {"least": least})

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.folder, TOKENS)

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
        requests = list(requests)
        if any("original" not in request for request in requests):
            raise UserError(
                "The grader `meaning` compares replies with their `original`, which only rows of the task `chat` have."
            )
        originals, answers = (self.encoder([request[key] for request in requests]) for key in ("original", "answer"))
        for request, cosine in zip(requests, (originals * answers).sum(dim=1).tolist(), strict=True):
            verdict = f"{'yes' if cosine >= self.least else 'no'}: cosine {cosine:.2f}"
            yield request, {"text": verdict if request["original"] else "yes: there is no original to compare with"}
