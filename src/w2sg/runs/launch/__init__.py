"""Where the stages of a sweep are computed; none of it is part of a result's identity."""

from w2sg.runs.launch.task import Answer, Launcher, Task, Told, perform

__all__ = ["Answer", "Launcher", "Task", "Told", "perform"]
