"""How many transmissions are kept in each state, for whoever watches the service."""

from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.runtime import Runtime


def count_by_state(runtime: Runtime) -> dict[State, int]:
    """Return the number of transmissions in each state; every state is there."""
    with runtime.database.read() as tx:
        found = tx.transmissions.count_by_state()
    return {state: found.get(state, 0) for state in State}
