"""From a grader's reply to a verdict: yes, no or unclear. Only yes counts."""

import re

VERDICT = re.compile(r"\W*(yes|no)\b(.*)", re.IGNORECASE | re.DOTALL)
BOTH = re.compile(r"\s*[/|&,-]?\s*((and|or)\s+)?(yes|no)\b", re.IGNORECASE)


def verdict(reply: str | None) -> tuple[str, str]:
    """The verdict and its reason. The reply has to open with yes or no; whatever else it says is unclear.

    >>> verdict("Yes. A burger fits."), verdict("I kNOw this one, yes")
    (('yes', 'A burger fits.'), ('unclear', 'I kNOw this one, yes'))
    """
    reply = " ".join((reply or "").split())
    match = VERDICT.fullmatch(reply)
    if match is None or BOTH.match(match[2]):
        return "unclear", reply or "no answer"
    return match[1].lower(), match[2].lstrip(" .,:;!*\"'-)")
