"""Asks the simulator for one answer of every kind and holds each against Okta's own API description.

The description and the checker do not belong to this repository: the first argument is the folder of
`validate_okta.py`. Exit code 0 when every answer passes.
"""

import contextlib
import importlib.util
import io
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

STRICT = ["--strict", "--like-examples"]
# Recordings of real orgs lack what the description's only example has (`_embedded`, asked for by `expand`).
UNEXPANDED = ["--strict"]
# Recordings of real orgs say more here than the description names, and so does the simulator.
OPEN = ["--like-examples"]


class Org:
    def __init__(self, start):
        self.start = start

    def call(self, method, path, body=None, token=None):
        """Status and JSON of one call."""
        headers = {"authorization": f"SSWS {token or self.start['api_token']}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.start["base"] + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path):
        return self.call("GET", path)

    def person(self, expression):
        query = urllib.parse.urlencode({"search": expression, "limit": 1})
        return self.get(f"/api/v1/users?{query}")[1][0]["id"]

    def admin(self, method, path, body=None):
        return self.call(method, f"/_sim/{path}", body)


def answers(org):
    """Name, expected status, answer, arguments of the checker."""
    app = f"/api/v1/apps/{org.start['app_id']}"
    statuses = ["ACTIVE", "STAGED", "PROVISIONED", "PASSWORD_EXPIRED", "LOCKED_OUT", "SUSPENDED", "DEPROVISIONED"]
    people = {status: org.person(f'status eq "{status}"') for status in statuses}
    for status, person in people.items():
        yield f"user {status}", 200, org.get(f"/api/v1/users/{person}"), ["User", *STRICT]
    active = people["ACTIVE"]
    odd = [
        ("single name", 'profile.firstName eq "Suharti"'),
        ("long title", 'profile.firstName eq "Titus"'),
        ("right to left", 'profile.email eq "layla.haddad@fernhill.example"'),
        ("malformed date", 'profile.startDate eq "31/02/2026"'),
    ]
    for name, expression in odd:
        yield f"user with {name}", 200, org.get(f"/api/v1/users/{org.person(expression)}"), ["User", *STRICT]
    yield "users", 200, org.get("/api/v1/users"), ["--op", "GET /api/v1/users", *STRICT]
    search = urllib.parse.urlencode({"search": 'status eq "DEPROVISIONED"'})
    yield "users by search", 200, org.get(f"/api/v1/users?{search}"), ["--op", "GET /api/v1/users", *STRICT]
    yield "user by id", 200, org.get(f"/api/v1/users/{active}"), ["--op", "GET /api/v1/users/{id}", *STRICT]
    yield "me", 200, org.get("/api/v1/users/me"), ["User", *STRICT]
    yield "groups of a user", 200, org.get(f"/api/v1/users/{active}/groups"), ["Group", *STRICT]
    yield "apps", 200, org.get("/api/v1/apps"), ["OpenIdConnectApplication", *STRICT]
    yield "app", 200, org.get(app), ["OpenIdConnectApplication", *STRICT]
    yield "app users", 200, org.get(f"{app}/users?limit=500"), ["AppUser", *UNEXPANDED]
    yield "app users with users", 200, org.get(f"{app}/users?limit=500&expand=user"), ["AppUser", *STRICT]
    assigned = org.get(f"{app}/users?limit=1")[1][0]["id"]
    yield "app user", 200, org.get(f"{app}/users/{assigned}"), ["AppUser", *UNEXPANDED]
    yield "app user with user", 200, org.get(f"{app}/users/{assigned}?expand=user"), ["AppUser", *STRICT]
    embedded = [row["_embedded"]["user"] for row in org.get(f"{app}/users?limit=500&expand=user")[1]]
    yield "users inside app users", 200, (200, embedded), ["User", *STRICT]
    yield "app groups", 200, org.get(f"{app}/groups"), ["ApplicationGroupAssignment", *UNEXPANDED]
    yield "app groups with groups", 200, org.get(f"{app}/groups?expand=group"), ["ApplicationGroupAssignment", *STRICT]
    yield "groups", 200, org.get("/api/v1/groups"), ["Group", *STRICT]
    groups = {group["profile"]["name"]: group["id"] for group in org.get("/api/v1/groups")[1]}
    everyone, learners = groups["Everyone"], groups["app-learn-employees"]
    yield "group", 200, org.get(f"/api/v1/groups/{everyone}"), ["Group", *STRICT]
    yield "group members", 200, org.get(f"/api/v1/groups/{learners}/users"), ["User", *STRICT]
    yield "apps of a group", 200, org.get(f"/api/v1/groups/{learners}/apps"), ["OpenIdConnectApplication", *STRICT]
    yield "user schema", 200, org.get("/api/v1/meta/schemas/user/default"), ["UserSchema", *STRICT]
    yield "user types", 200, org.get("/api/v1/meta/types/user"), ["UserType", *STRICT]
    yield "linked objects", 200, org.get("/api/v1/meta/schemas/user/linkedObjects"), ["LinkedObject", *STRICT]
    wendy = org.person('profile.lastName eq "Manyreports"')
    yield "linked people", 200, org.get(f"/api/v1/users/{wendy}/linkedObjects/subordinate"), ["ResponseLinks", *STRICT]
    yield "org", 200, org.get("/.well-known/okta-organization"), ["WellKnownOrgMetadata", *OPEN]
    yield from changes(org, app, active, learners)
    yield from errors(org, app)


def changes(org, app, active, group):
    """Answers to writes, and the log and hooks that follow from them."""
    profile = {"firstName": "New", "lastName": "Person", "login": "new@fernhill.example", "email": "new@fernhill.example"}
    created = org.call("POST", "/api/v1/users?activate=false", {"profile": profile})
    yield "created user", 200, created, ["User", *STRICT]
    new = created[1]["id"]
    yield "updated user", 200, org.call("POST", f"/api/v1/users/{new}", {"profile": {"title": "Lead"}}), ["User", *STRICT]
    org.call("POST", f"/api/v1/users/{new}/lifecycle/activate?sendEmail=false", {})
    assigned = org.call("POST", f"{app}/users", {"id": new, "scope": "USER"})
    yield "assignment", 200, assigned, ["AppUser", *UNEXPANDED]
    org.call("PUT", f"/api/v1/groups/{group}/users/{new}")
    org.call("DELETE", f"{app}/users/{new}")
    made = org.call("POST", "/api/v1/groups", {"profile": {"name": "made", "description": "made"}})
    yield "made group", 200, made, ["Group", *STRICT]
    put = org.call("PUT", f"{app}/groups/{made[1]['id']}", {})
    yield "group assignment", 200, put, ["ApplicationGroupAssignment", *UNEXPANDED]
    for action in ["suspend", "unsuspend", "deactivate", "activate"]:
        org.call("POST", f"/api/v1/users/{active}/lifecycle/{action}", {})
    org.admin("POST", "act", {"do": "reactivate_by_job", "who": "rhea.return@fernhill.example"})
    org.call("DELETE", f"/api/v1/users/{new}")
    org.call("DELETE", f"/api/v1/users/{new}")
    hook = {
        "name": "Muster",
        "events": {"type": "EVENT_TYPE", "items": ["user.lifecycle.deactivate", "application.user_membership.add"]},
        "channel": {
            "type": "HTTP",
            "version": "1.0.0",
            "config": {
                "uri": "https://learn.example/webhooks/okta",
                "headers": [{"key": "x-test", "value": "1"}],
                "authScheme": {"type": "HEADER", "key": "authorization", "value": "secret"},
            },
        },
    }
    made = org.call("POST", "/api/v1/eventHooks", hook)
    yield "event hook", 200, made, ["EventHook", *STRICT]
    path = f"/api/v1/eventHooks/{made[1]['id']}"
    yield "hook that cannot be verified", 400, org.call("POST", f"{path}/lifecycle/verify", {}), ["Error", *STRICT]
    yield "event hooks", 200, org.get("/api/v1/eventHooks"), ["EventHook", *STRICT]
    yield "replaced event hook", 200, org.call("PUT", path, hook), ["EventHook", *STRICT]
    yield "stopped event hook", 200, org.call("POST", f"{path}/lifecycle/deactivate", {}), ["EventHook", *OPEN]
    log = org.get("/api/v1/logs?limit=1000")
    yield "system log", 200, log, ["LogEvent", *OPEN]
    # Most examples of the description have `device`, which its schema does not name.
    events = [{name: value for name, value in event.items() if name != "device"} for event in log[1]]
    yield "system log without device", 200, (log[0], events), ["LogEvent", "--strict"]


def errors(org, app):
    calls = [
        ("bad body", 400, ("POST", "/api/v1/users")),
        ("bad field", 400, ("POST", "/api/v1/users", {"profile": {"login": "x@y.example"}})),
        ("bad cursor", 400, ("GET", f"{app}/users?after=nonsense")),
        ("bad search", 400, ("GET", "/api/v1/users?search=nonsense")),
        ("bad log filter", 400, ("GET", "/api/v1/logs?filter=nonsense")),
        ("bad token", 401, ("GET", "/api/v1/users", None, "wrong")),
        ("wrong status", 403, ("POST", "/api/v1/users/me/lifecycle/unlock", {})),
        ("unknown user", 404, ("GET", "/api/v1/users/00u000000000000000000")),
        ("unknown path", 404, ("GET", "/api/v1/nonsense")),
        ("wrong method", 405, ("DELETE", "/api/v1/users")),
    ]
    for name, status, call in calls:
        yield name, status, org.call(*call), ["Error", *STRICT]
    for status in (429, 500, 503):
        org.admin("POST", "faults", {"path": "/api/v1/users", "times": 1, "fault": {"status": status}})
        yield f"fault {status}", status, org.get("/api/v1/users"), ["Error", *STRICT]
    org.admin("PUT", "token", {"state": "no_role"})
    yield "without a role", 403, org.get("/api/v1/logs"), ["Error", *STRICT]
    org.admin("PUT", "token", {"state": "ok"})


def checker(tools):
    """`validate_okta.py` as a function: its description of the API is large and is read once."""
    spec = importlib.util.spec_from_file_location("validate_okta", Path(tools) / "validate_okta.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def check(arguments, body):
        schema = [] if arguments[0] == "--op" else arguments[:1]
        flags = arguments[len(schema) :]
        said = io.StringIO()
        before = sys.argv, sys.stdin
        sys.argv, sys.stdin = ["validate_okta.py", *flags, *schema, "-"], io.StringIO(json.dumps(body))
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = module.main()
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.argv, sys.stdin = before
        return [] if code == 0 else said.getvalue().strip().splitlines()[:8]

    return check


def main(tools, start):
    check = checker(tools)
    passed = failed = 0
    for name, status, (got, body), arguments in answers(Org(json.loads(start))):
        problems = [] if got == status else [f"status {got} instead of {status}"]
        problems += check(arguments, body)
        empty = body in (None, [], {})
        if empty:
            problems.append("the answer is empty, so nothing was checked")
        if problems:
            failed += 1
            print(f"not ok  {name}")
            for problem in problems:
                print(f"        {problem}")
        else:
            passed += 1
            print(f"ok      {name}")
    print(f"answers: {passed} passed, {failed} failed")
    raise SystemExit(1 if failed else 0)


main(sys.argv[1], sys.argv[2])
