"""All sessions: filters, order, pages; and one metric over them."""

from typing import Any

import pytest

from tests.acceptance.sessions_api import SessionsApi

HUNG = {"name": "application_appears_hung"}


def found(api: SessionsApi, product: str, **params: Any) -> list[str]:
    """Ids in their order."""
    return [one["id"] for one in api.get("/api/data/sessions", product=product, **params)]


def test_every_condition_can_be_asked_for(api: SessionsApi, unique: str) -> None:
    plain, hung, recovered, ended, crashed = (api.create(product=unique) for _ in range(5))
    for session in (hung, recovered, ended, crashed):
        api.write(session, "events", HUNG)
    api.write(recovered, "events", {"name": "application_recovered"})
    api.write(ended, "end")
    api.write(crashed, "crash")
    wanted = {
        "active": [plain, hung, recovered],
        "ended": [ended],
        "crashed": [crashed],
        "suspended": [],
        "hung": [hung, ended],
        "ever_hung": [hung, recovered, ended, crashed],
        "hung_recovered": [recovered],
        "hung_ended": [ended],
        "hung_crashed": [crashed],
    }
    assert {status: found(api, unique, status=status) for status in wanted} == wanted


def test_filters_of_the_state_and_of_the_machine(api: SessionsApi, unique: str) -> None:
    one = api.create(product=unique, machine_id=f"m-{unique}", hostname="one")
    two = api.create(product=unique, version="2", hostname="two")
    api.write(one, "state", {"step": {"name": "first"}, "n": 50, "flag": True})
    api.write(one, "state", {"step": {"name": "second"}})
    api.write(two, "state", {"n": "50", "list": [1, {"a": "b"}]})
    api.write(two, "events", {"name": "a"})
    api.write(two, "events", {"name": "b"})
    assert found(api, unique, state="step.name=second") == [one]
    assert found(api, unique, state="step.name=first") == []
    assert found(api, unique, state_ever="step.name=first") == [one]
    assert found(api, unique, state="n=50") == [one, two]
    assert found(api, unique, state='n="50"') == [two]
    assert found(api, unique, state=["n=50", "flag=true"]) == [one]
    assert found(api, unique, state="list.1.a=b") == [two]
    assert found(api, unique, has_event=["a", "b"]) == [two]
    assert found(api, unique, hostname="two", version="2", site="local") == [two]
    assert found(api, unique, machine_id=f"m-{unique}") == [one]
    assert found(api, unique, site="elsewhere") == []


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "status", "events", "metrics"])
def test_every_order_has_pages_both_ways(api: SessionsApi, unique: str, sort: str) -> None:
    sessions = [api.create(product=unique) for _ in range(5)]
    for n, session in enumerate(sessions):
        for _ in range(n % 3):
            api.write(session, "events", {"name": "e"})
            api.write(session, "metrics", {"name": "m", "value": 1})
    api.write(sessions[1], "end")
    for order in (sort, f"-{sort}"):
        everything = found(api, unique, sort=order)
        assert sorted(everything) == sorted(sessions)
        paged: list[str] = []
        more: dict[str, str] = {}
        while True:
            params = {"product": unique, "sort": order, "limit": 2, **more}
            answer = api.request("GET", "/api/data/sessions", params=params)
            assert answer.headers["Foldline-Total"] == "5"
            paged += [one["id"] for one in answer.json()]
            if "Foldline-Next-Cursor" not in answer.headers:
                break
            following = answer.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
            assert api.request("GET", following).status_code == 200
            more = {"cursor": answer.headers["Foldline-Next-Cursor"]}
        assert paged == everything
    assert found(api, unique, sort=f"-{sort}") == found(api, unique, sort=sort)[::-1]


def test_the_export_has_the_documents(api: SessionsApi, unique: str) -> None:
    session = api.create(product=unique)
    api.write(session, "state", {"a": {"b": "ü"}})
    api.write(session, "events", {"name": "e"})
    api.write(session, "metrics", {"name": "m", "value": 1})
    api.write(session, "end")
    document = api.session(session)
    assert api.get("/api/data/sessions", product=unique) == [document]
    (counted,) = api.get("/api/data/sessions", product=unique, timelines="false")
    plain = {key: value for key, value in document.items() if not isinstance(value, list)}
    assert counted == plain | {"event_count": 1, "metric_count": 1}
    assert document in api.get("/api/data/sessions")
    created = document["created_at"]
    assert found(api, unique, created_after=created) == [session]
    assert found(api, unique, created_before=created) == []
    assert found(api, unique, created_after=created, created_before="9999-01-01T00:00:00Z") == [session]


def test_a_series_is_filtered_by_state(api: SessionsApi, unique: str) -> None:
    one, two = api.create(), api.create()
    api.write(one, "state", {"phase": "warm", "roles": ["a", "b"]})
    api.write(one, "state", {"phase": "hot"})
    for n, value in enumerate([4, 2, 6]):
        api.write(one, "metrics", {"name": unique, "value": value, "timestamp": f"2024-01-01T00:00:0{n}Z"})
    api.write(two, "metrics", {"name": unique, "value": 10, "timestamp": "2024-01-01T00:00:09Z"})

    def series(**params: str) -> dict[str, Any]:
        answer: dict[str, Any] = api.get("/api/timeseries", metric=unique, **params)
        return answer

    def values(**params: str) -> list[float]:
        return [point["Value"] for point in series(**params)["Points"]]

    whole = series()
    assert [point["SessionID"] for point in whole["Points"]] == [one, one, one, two]
    assert (whole["MetricName"], whole["AggregationType"], whole["SessionsMatched"]) == (unique, "all", 2)
    assert (whole["Peak"], whole["Average"], whole["Min"], whole["Median"]) == (10, 5.5, 2, 5)
    assert [values(aggregation=kind) for kind in ("peak", "average", "min")] == [[6, 10], [4, 10], [2, 10]]
    now = {"filter_mode": "current_state", "filter_path": "phase"}
    assert values(**now, filter_value="hot") == [4, 2, 6]
    assert values(**now, filter_value="warm") == []
    assert values(filter_mode="state_history", filter_path="phase", filter_value="warm") == [4, 2, 6]
    assert values(filter_mode="state_array_contains", filter_path="roles", filter_value="b") == [4, 2, 6]
    assert values(since="2024-01-01T00:00:01Z", until="2024-01-01T00:00:09Z") == [2, 6]
    assert series(filter_mode="none", limit="1")["Truncated"] is True
    nothing = api.get("/api/timeseries", metric=f"{unique}-nothing")
    assert (nothing["Points"], nothing["SessionsMatched"], nothing["Peak"]) == ([], 0, None)
    for wrong in ({}, {"metric": ""}, {"metric": "m", "filter_mode": "current_state"}, {"metric": "a\x00"}):
        assert api.refused("GET", "/api/timeseries", 400, params=wrong)["error"] == "Invalid parameter"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=5000",
        "cursor=nonsense",
        "sort=colour",
        "status=happy",
        "created_after=noon",
        "state=x",
        "product=%00",
        "created_before=2024",
        "colour=red",
    ],
)
def test_bad_parameters_are_refused(api: SessionsApi, query: str) -> None:
    error = api.refused("GET", f"/api/data/sessions?{query}", 400)
    assert error["error"] == "Invalid parameter"
    assert error["details"].startswith(query.partition("=")[0])
