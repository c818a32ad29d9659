"""The way of a count through the house, one stage per file, each named by its verb.

record -> aggregate -> prepare -> deliver (claim, send, conclude), driven by tick, send_now and retry; beside it what an
administrator does (configure, connection_test) and looks at (preview, history, health_report, prove).
"""
