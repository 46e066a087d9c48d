"""What can be learned: a name for each task. A new one is one file, one line here, and its data."""

from emojisummary.tasks.chat import Chat
from emojisummary.tasks.combination import Combination
from emojisummary.tasks.story import Story
from emojisummary.tasks.summary import Summary

TASKS = {"summary": Summary(), "combination": Combination(), "chat": Chat(), "story": Story()}
