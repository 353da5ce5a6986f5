// Signs people in to Muster with oidc-provider, a certified OpenID provider, in the place of Okta's. Okta's API is the simulator's.
//
//   node sign_in.mjs MUSTER SIMULATOR
//
// The last line is `sign-in: N passed, M failed`. It takes some 35 seconds: Muster looks for new keys at most every 30.

import { setTimeout as sleep } from 'node:timers/promises';

import { Browser } from './provider/browser.mjs';
import { Muster, Service } from './provider/muster.mjs';
import { newKey, Okta, version } from './provider/okta.mjs';

const [musterBin, simBin] = process.argv.slice(2);
const HOST = 'fernhill.localhost';
const SITE = `http://${HOST}`;
const OWNER = 'owner@fernhill.example';
const CALLBACK = '/users/auth/okta/callback';
/** How long Muster goes by the keys it has before it looks for one that it does not know. */
const KEYS_AGE_MS = 30_000;

// Of what oidc-provider says to whoever runs it for real, only what is wrong matters here.
console.info = () => {};
console.warn = (line) => line.includes('in-memory adapter') || console.error(line);

let passed = 0;
let failed = 0;

function check(name, got, wanted) {
  const [is, should] = [got, wanted].map((value) => JSON.stringify(value));
  if (is === should) {
    passed += 1;
    console.log(`ok      ${name}`);
  } else {
    failed += 1;
    console.log(`not ok  ${name}: ${is} instead of ${should}`);
  }
}

/** What a page is, in one line: its status, its path, and the word that it gives for support. */
function seen(page) {
  const code = /For support: (\w+)/.exec(page.text)?.[1];
  return [page.status, new URL(page.url).pathname, code].filter((part) => part !== undefined).join(' ');
}

/** Parts of a sign-in: to the provider's page, and from there back. */
const toProvider = (browser, query = '') => browser.open(`${SITE}/users/auth/okta${query}`);
const say = (browser, page, account, options) => browser.submit(page, '', { account }, options);

async function signIn(browser, person) {
  return say(browser, await toProvider(browser), person.id);
}

async function account(browser) {
  return browser.open(`${SITE}/account`);
}

/** How many sessions the account page lists: a button ends each but this one. */
function sessions(page) {
  return page.forms().filter((form) => form.action === '/account/sessions/end').length + 1;
}

/** Whom the page belongs to. */
function whose(page) {
  return /<p class="who"><bdi>([^<]*)/.exec(page.text)?.[1];
}

async function usual(world) {
  const { okta, newBrowser, people } = world;
  const [ana] = people;
  const browser = newBrowser();
  const form = await toProvider(browser);
  check('the request to sign in is accepted', [form.status, new URL(form.url).origin], [200, okta.issuer]);
  const home = await say(browser, form, ana.id);
  check('somebody signs in', seen(home), '200 /');
  world.keysReadBy = Date.now();
  const answer = new URL(home.way.find((url) => url.includes(CALLBACK)) ?? SITE);
  check('the answer names its issuer (RFC 9207)', answer.searchParams.get('iss'), okta.issuer);
  const page = await account(browser);
  check('their account is theirs', [seen(page), whose(page)], ['200 /account', ana.name]);
  check('a thin ID token has userinfo asked, once', okta.count('GET /me'), 1);

  const again = newBrowser();
  check('the same person signs in elsewhere', seen(await signIn(again, ana)), '200 /');
  check('that is a second session', sessions(await account(again)), 2);

  const before = browser.cookie(SITE, 'muster');
  browser.forget(SITE);
  const straight = await toProvider(browser);
  const asked = straight.way.some((url) => url.includes('/interaction/'));
  check('with a session at the provider nobody is asked', [seen(straight), asked], ['200 /', false]);
  const isSame = browser.cookie(SITE, 'muster') === before;
  check('and the session here is a new one', [isSame, sessions(await account(browser))], [false, 3]);

  const calls = ['GET /.well-known/openid-configuration', 'GET /jwks', 'POST /token', 'GET /me'];
  check('discovery and keys were read once for three', calls.map((call) => okta.count(call)), [1, 1, 3, 3]);
}

async function hint({ newBrowser, people }) {
  const browser = newBrowser();
  const form = await toProvider(browser, `?login_hint=${encodeURIComponent(people[1].login)}`);
  check('a login hint arrives', form.forms()[0]?.fields.account, people[1].id);
  await browser.submit(form, '');
  check('and whoever it names signs in', whose(await account(browser)), people[1].name);
}

async function fat({ okta, newBrowser, people }) {
  okta.change({ thin: false });
  const before = okta.count('GET /me');
  const browser = newBrowser();
  check('somebody signs in by an ID token that says all', seen(await signIn(browser, people[2])), '200 /');
  check('and userinfo is not asked', okta.count('GET /me') - before, 0);
  okta.change({ thin: true });
}

async function connect({ okta, newBrowser, people, owner }) {
  const browser = newBrowser();
  const password = 'three calm herons by the weir';
  const welcome = await browser.open(owner.replace(/^http:\/\/[^/]+/, SITE));
  const ready = await browser.submit(welcome, '/welcome', { password, again: password });
  await browser.submit(ready, '/sign-in', { email: OWNER, password });
  const page = await browser.open(`${SITE}/integrations/okta`);
  check('the owner comes in by a password', seen(page), '200 /integrations/okta');
  const form = await browser.submit(page, '/connect');
  const proof = await say(browser, form, people[3].id);
  check('Connect goes there and back', seen(proof), '200 /integrations/okta');
  const lines = [...proof.text.matchAll(/<li class="(good|bad)"><strong>[^<]*<\/strong>[^<]*<span/g)].map(([, word]) => word);
  check('and finds all six things good', lines, Array(6).fill('good'));
  check('with the name from userinfo', proof.text.includes(`At Okta you are ${people[3].name}<`), true);
}

async function refusals({ okta, newBrowser, people, stranger }) {
  let browser = newBrowser();
  const page = await browser.submit(await toProvider(browser), '', { decline: 'yes' });
  check('who declines at the provider is told', seen(page), `403 ${CALLBACK} okta_access_denied`);

  check('who is not assigned is refused', seen(await signIn(newBrowser(), stranger)), `403 ${CALLBACK} not_assigned`);
  await okta.act({ do: 'assign', who: stranger.id });
  browser = newBrowser();
  check('and comes in once assigned', seen(await signIn(browser, stranger)), '200 /');

  const nobody = { id: '00uNoBodyKnowsThis00' };
  check('a subject that Okta does not know is refused', seen(await signIn(newBrowser(), nobody)), `403 ${CALLBACK} not_assigned`);
  const odd = { id: people[0].email };
  const refused = seen(await signIn(newBrowser(), odd));
  check('a subject that is an address, and no Okta user id, is refused', refused, `502 ${CALLBACK} bad_subject`);

  browser = newBrowser();
  const form = await toProvider(browser);
  const stopped = await say(browser, form, people[4].id, { until: CALLBACK });
  const thief = browser.copy();
  check('an answer is good', seen(await browser.open(stopped.to)), '200 /');
  check('and is good once', seen(await thief.open(stopped.to)), `400 ${CALLBACK} okta_refused`);
  check('and in its browser only', seen(await newBrowser().open(stopped.to)), `400 ${CALLBACK} state_unknown`);

  okta.change({ secret: 'another-secret-than-the-one-that-muster-was-given' });
  check('a wrong client secret is told apart', seen(await signIn(newBrowser(), people[4])), `502 ${CALLBACK} okta_refused`);
  okta.change({ secret: okta.sim.client_secret });
}

async function leaver({ okta, muster, newBrowser, people }) {
  const lena = people[5];
  const browser = newBrowser();
  check('somebody who will leave is in', seen(await signIn(browser, lena)), '200 /');
  await okta.act({ do: 'deactivate', who: lena.id });
  await muster.run('okta', 'sync', 'fernhill');
  check('once deactivated their session is over', seen(await account(browser)), '200 /sign-in');
  check('and signing in is refused', seen(await signIn(newBrowser(), lena)), `403 ${CALLBACK} deactivated`);
}

async function signOut({ okta, newBrowser, people }) {
  const browser = newBrowser();
  await signIn(browser, people[6]);
  const old = browser.copy();
  const asks = await browser.submit(await account(browser), '/sign-out');
  check('signing out leads to the provider, which accepts it', [asks.status, new URL(asks.url).origin], [200, okta.issuer]);
  check('the old cookie is worthless', seen(await account(old)), '200 /sign-in');
  const out = await browser.submit(asks, '/confirm', { logout: 'yes' });
  check('and the provider leads back', seen(out), '200 /signed-out');
  const next = await toProvider(browser);
  check('where the session is over too', new URL(next.url).pathname.startsWith('/interaction/'), true);
}

async function rotation({ okta, newBrowser, people, keysReadBy }) {
  const early = newBrowser();
  await signIn(early, people[7]);
  okta.change({ keys: [newKey()] });
  const reads = okta.count('GET /jwks');
  await sleep(Math.max(0, keysReadBy + KEYS_AGE_MS - Date.now()));
  const browser = newBrowser();
  check('after the keys were changed somebody signs in', seen(await signIn(browser, people[7])), '200 /');
  check('for which the keys were read once more', okta.count('GET /jwks') - reads, 1);
  check('and whoever was in before still is', sessions(await account(early)), 2);
  await signIn(newBrowser(), people[0]);
  check('and they are not read again', okta.count('GET /jwks') - reads, 1);

  // It was signed by the key that is gone. That page is the provider's to show; here they are out all the same.
  const old = early.copy();
  const page = await early.submit(await account(early), '/sign-out');
  check('the provider refuses to end a session by a token it no longer knows', [page.status, new URL(page.url).origin], [400, okta.issuer]);
  check('and they are out of Muster all the same', seen(await account(old)), '200 /sign-in');
}

/** Muster, connected and synced; who is in it; and what is needed to come to it. */
async function build(ends) {
  const sim = await Service.start(simBin, ['--port', '0', '--people', '0', '--seed', '5'], process.env);
  ends.push(() => sim.stop());
  const client = {
    redirect_uris: [`${SITE}${CALLBACK}`, `${SITE}/en-US/okta/auth_callback`],
    post_logout_redirect_uris: [`${SITE}/signed-out`],
  };
  const okta = await Okta.start(sim.said, client);
  ends.push(() => okta.stop());
  await okta.setApp(client);

  // Tenants are named without a port, and the browser knows where they are: so no port must be known before it is taken.
  const muster = new Muster(musterBin, { MUSTER_PUBLIC_URL: 'http://localhost', MUSTER_OKTA_EXTRA_HOSTS: okta.host });
  ends.push(() => muster.end());
  const tenant = ['tenant', 'create', 'fernhill', '--name', 'Fernhill', '--owner', OWNER, '--json'];
  const [{ owner_link: owner }] = await muster.run(...tenant);
  await muster.run('okta', 'enable', 'fernhill');
  const { client_id: clientId, client_secret: clientSecret, api_token: token, app_id: app } = sim.said;
  const secrets = ['--client-secret', muster.secret('secret', clientSecret), '--api-token', muster.secret('token', token)];
  await muster.run('okta', 'set', 'fernhill', '--api-url', okta.issuer, '--client-id', clientId, '--app-id', app, ...secrets);
  await muster.run('okta', 'sync', 'fernhill');
  const port = await muster.serve();

  // Ordinary people: those with odd names and states have tests of their own.
  const isPlain = ({ name, status }) => status === 'ACTIVE' && /^[A-Z][a-z]+ [A-Z][a-z]+$/.test(name);
  const listed = await muster.run('people', 'list', 'fernhill', '--json');
  const active = new Set(listed.filter(({ status }) => status === 'active').map((one) => one.okta_user_id));
  const people = okta.people.filter((one) => isPlain(one) && active.has(one.id));
  const stranger = okta.people.find((one) => isPlain(one) && !one.assigned);
  if (people.length < 8 || !stranger) {
    throw new Error(`of ${listed.length} people in Muster ${people.length} can be used`);
  }
  return { okta, muster, owner, people, stranger, newBrowser: () => new Browser({ [HOST]: port }) };
}

async function main() {
  const ends = [];
  const endAll = async () => {
    for (const end of ends.splice(0).reverse()) {
      await end();
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => endAll().finally(() => process.exit(1)));
  }
  let world;
  try {
    console.log(`oidc-provider ${version}`);
    world = await build(ends);
    for (const part of [usual, hint, fat, connect, refusals, leaver, signOut, rotation]) {
      await part(world);
    }
  } catch (error) {
    check('it goes to its end', String(error.stack), '');
  } finally {
    if (failed > 0 && world) {
      console.log(world.muster.service.log);
    }
    await endAll();
  }
  console.log(`sign-in: ${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
