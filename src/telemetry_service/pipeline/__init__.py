"""From a usage report to an accepted transmission.

``stages``: record -> aggregate -> prepare -> deliver (claim, send, record the outcome), driven by the scheduler.
``actions``: what an administrator or another service asks for, such as configure, send now and retry.
``queries``: what is shown, such as preview, history and health, each read from one snapshot.
"""
