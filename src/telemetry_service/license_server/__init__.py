"""The only way out of this process: one signed POST to the License Server, and what came of it.

Nothing of a library gets out of here. Every fault becomes a :class:`~telemetry_service.domain.outcome.Cause`,
because exception texts and log lines of HTTP libraries hold the URL, which is nobody's business.
"""
