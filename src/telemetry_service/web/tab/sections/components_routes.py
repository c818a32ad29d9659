"""The page that shows the components of the views side by side; only demo mode has it."""

from fastapi.responses import Response

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.web.security.authorization import viewer_page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.visit import CurrentVisit
from telemetry_service.web.topic import Topic

_PAGE = "telemetry/components/page.html"

router = Topic("tab", described=False)


@router.get(paths.COMPONENTS)
@viewer_page
def show_components(visit: CurrentVisit) -> Response:
    """Show the components in both themes.

    Raises:
        NotFoundError: The service does not run in demo mode.
    """
    if not visit.runtime.deployment.demo_mode:
        raise NotFoundError
    return visit.page(_PAGE, {"now": visit.runtime.clock.now()})
