"""Lists all people with Okta's Python SDK, through 429 answers. Prints one JSON object with what came."""

import asyncio
import json
import os
import sys

# The SDK wants https; this switch of its own lets it talk to a simulator on loopback.
os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"

from okta.client import Client
from okta.pagination import PaginationHelper


def next_cursor(response):
    """The cursor of the `next` link: Okta sends each link on a line of its own."""
    headers = response.headers
    lines = headers.getall("Link", []) if hasattr(headers, "getall") else [headers.get("Link") or ""]
    return PaginationHelper.extract_next_cursor({"Link": ",".join(lines)})


async def everyone(call):
    people, pages, cursor = [], 0, None
    while True:
        arguments = {"after": cursor} if cursor else {}
        found, response, error = await call(**arguments)
        if error:
            raise SystemExit(f"the SDK reports: {error}")
        people += found
        pages += 1
        cursor = next_cursor(response)
        if not cursor:
            return people, pages


async def main(base, token, app_id):
    configuration = {
        "orgUrl": base,
        "token": token,
        "rateLimit": {"maxRetries": 8},
        "requestTimeout": 0,
    }
    async with Client(configuration) as client:
        users, user_pages = await everyone(lambda **more: client.list_users(limit=100, **more))
        assigned, assigned_pages = await everyone(
            lambda **more: client.list_application_users(app_id, limit=50, expand="user", **more)
        )
        groups, _, error = await client.list_groups()
        if error:
            raise SystemExit(f"the SDK reports: {error}")
        app, _, error = await client.get_application(app_id)
        if error:
            raise SystemExit(f"the SDK reports: {error}")
    print(
        json.dumps(
            {
                "users": [user.id for user in users],
                "user_pages": user_pages,
                "assigned": [user.id for user in assigned],
                "assigned_pages": assigned_pages,
                "groups": len(groups),
                "app": app.id,
            }
        )
    )


asyncio.run(main(*sys.argv[1:4]))
