"""No garbage collection while the program loads its modules, which took a fifth of a start.

What is loaded stays until the process ends, so there is nothing to find in it, then or later.
"""

import gc


def pause_collection() -> None:
    """Collect nothing until ``resume_collection``; for a process that has just begun."""
    gc.disable()


def resume_collection() -> None:
    """If it is paused, collect again, but leave out what has been loaded so far."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
