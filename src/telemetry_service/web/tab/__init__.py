"""The tab *Settings → General → Telemetry*: pages, fragments and forms over the pipeline's use cases.

A section turns what the pipeline returns into words and figures and decides nothing else; a routes module reads a form,
calls one use case and responds with a page, a fragment or a redirect. Every action works as a plain form; htmx receives
the same fragments that the pages include.
"""
