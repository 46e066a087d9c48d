"""What can be learned: a name for each task. A new one is one file, one line here, and its data."""

from emojisummary.tasks.summary import Summary

TASKS = {"summary": Summary()}
