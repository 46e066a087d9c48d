"""Turn any text into the perfect emoji.

>>> from emojisummary import load
>>> load("runs/demo").predict("We won the cup!", top=3)["emoji"]
'🏆'
"""


def load(run: str, device: str = "cpu"):
    """The student trained in a run's folder, ready to answer: `load("runs/demo").predict("some text", top=5)`.

    Raises UserError where the folder holds no trained student.
    """
    from emojisummary.models import connect

    return connect(run, device=device)
