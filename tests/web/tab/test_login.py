"""The page of the login (finding T18): it keeps the name, and who is logged in does not see it."""

import re

from telemetry_service.web.tab import paths
from tests.support.actors import CLI
from tests.support.running import PASSWORD, Running
from tests.web.security.test_authorization import PAGE, ROUTES, VIEWED

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def test_t18_a_refused_login_keeps_the_name_and_never_the_password(shared: Running) -> None:
    typed = {"name": 'ad<"min', "password": "zX9-canary", "next": paths.ACCESS}
    for status in (*[401] * 5, 429):
        refused = shared.client.post(paths.LOGIN, data=typed)
        assert refused.status_code == status
        assert 'name="name" value="ad&lt;&#34;min"' in refused.text
        assert f'name="next" value="{paths.ACCESS}"' in refused.text
        assert "zX9-canary" not in refused.text
    shared.context.authentication.accounts.set_password(PASSWORD, CLI)
    assert 'name="name" value=""' in shared.client.get(paths.LOGIN).text


def test_t18_who_is_logged_in_continues_to_the_page(shared: Running) -> None:
    cookies, _ = shared.log_in()
    headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
    for asked, leads_to in {"": paths.TAB, paths.ACCESS: paths.ACCESS, "//elsewhere": paths.TAB}.items():
        led = shared.client.get(paths.LOGIN, params={"next": asked} if asked else None, headers=headers)
        assert (led.status_code, led.headers["location"]) == (303, leads_to)
    headers["Cookie"] = f"{headers['Cookie'][:-1]}!"
    assert shared.client.get(paths.LOGIN, headers=headers).status_code == 200, "a session that has ended"


def test_t18_a_browser_gets_a_page_wherever_it_goes(shared: Running) -> None:
    for path in ("/settings/nothing", "/nothing", paths.LOGIN + "/nothing"):
        page = shared.client.get(path, headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
    for path in paths.ABOVE:
        assert shared.client.get(path, headers=BROWSER).headers["location"] == paths.TAB
    for path in ("/api/v1/nothing", "/metrics"):
        problem = shared.client.get(path, headers=BROWSER)
        assert problem.headers["content-type"] == "application/problem+json", path


def test_v7_4_4_each_page_has_the_log_out(shared: Running) -> None:
    cookies, _ = shared.log_in()
    headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}", **BROWSER}
    asked = [path for (method, path), rule in ROUTES.items() if method == "GET" and rule in {PAGE, VIEWED}]
    pages = {path: shared.client.get(path, headers=headers) for path in asked if "{" not in path}
    whole = {path: page.text for path, page in pages.items() if page.status_code == 200 and "<html" in page.text}
    assert whole.keys() >= {paths.TAB, paths.SETTINGS, paths.ACTIVITY, paths.PROOF, paths.ACCESS}
    out = re.compile(rf'action="{paths.LOGOUT}".*?<button class="slim" type="submit">Log out</button>', re.DOTALL)
    assert [path for path, page in whole.items() if not out.search(page)] == [paths.LOGGED_IN], "where one closes it"
