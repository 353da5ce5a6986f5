// Lists all people with Okta's Node SDK, through 429 answers. Prints one JSON object with what came.

import { createRequire } from 'node:module';

// The packages stand in a cache outside of the repository's files.
const require = createRequire(process.env.MUSTER_CONFORMANCE_NODE + '/');
const okta = require('@okta/okta-sdk-nodejs');

const [base, token, appId] = process.argv.slice(2);
const client = new okta.Client({
  orgUrl: base,
  token,
  testing: { disableHttpsCheck: true },
  requestExecutor: new okta.DefaultRequestExecutor({ maxRetries: 8 }),
});

async function everyone(collection) {
  const ids = [];
  await collection.each((item) => {
    ids.push(item.id);
  });
  return ids;
}

const users = await everyone(await client.userApi.listUsers({ limit: 100 }));
const assigned = await everyone(
  await client.applicationApi.listApplicationUsers({ appId, limit: 50, expand: 'user' }),
);
const groups = await everyone(await client.groupApi.listGroups({}));
const app = await client.applicationApi.getApplication({ appId });
console.log(JSON.stringify({ users, assigned, groups: groups.length, app: app.id }));
