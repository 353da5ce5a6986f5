// What Muster takes for Okta: the API is the simulator's, signing in is oidc-provider's. Both are at one address, as they are at Okta.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages stand in a cache outside of the repository's files.
const require = createRequire(process.env.MUSTER_CONFORMANCE_NODE + '/');
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
export const { version } = require(require.resolve('oidc-provider').replace(/lib.index\.js$/, 'package.json'));

/** A new key to sign with. The provider derives its `kid` from the key itself. */
export function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
}

export class Okta {
  // The provider keeps sessions in the memory of the process, and its cookies stay good, so that one made anew goes on with them.
  #cookieKey = randomBytes(32).toString('hex');
  #settings = { keys: [newKey()], thin: true };
  #provider;
  #server = http.createServer((request, response) => {
    this.#answer(request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
  });

  /** Calls of the provider so far, as `METHOD /path`. */
  calls = [];

  /** `sim` is the simulator's first line, `client` what oidc-provider is to know of Muster besides its id. */
  static async start(sim, client) {
    const okta = new Okta();
    okta.sim = sim;
    okta.client = client;
    await new Promise((resolve) => okta.#server.listen(0, '127.0.0.1', resolve));
    okta.host = `127.0.0.1:${okta.#server.address().port}`;
    okta.issuer = `http://${okta.host}`;
    okta.people = await (await fetch(`${sim.base}/_sim/people`)).json();
    okta.change({});
    return okta;
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  /** What the simulator's administrator does. */
  act(action) {
    return this.#admin('POST', 'act', action);
  }

  /** What the app says at Okta's API; the provider has its own description of the client. */
  setApp(settings) {
    return this.#admin('PUT', 'app', settings);
  }

  async #admin(method, path, body) {
    const answer = await fetch(`${this.sim.base}/_sim/${path}`, { method, body: JSON.stringify(body) });
    if (!answer.ok) {
      throw new Error(`${method} ${path} ${JSON.stringify(body)}: ${await answer.text()}`);
    }
  }

  count(call) {
    return this.calls.filter((one) => one === call).length;
  }

  /**
   * Makes the provider anew, as after a change of its settings: `keys` to sign with, `secret` of the client, and whether ID tokens are
   * `thin`, which leaves email and name to userinfo.
   */
  change(settings) {
    this.#settings = { ...this.#settings, ...settings };
    const { keys, thin, secret = this.sim.client_secret } = this.#settings;
    this.#provider = new Provider(this.issuer, {
      clients: [
        {
          client_id: this.sim.client_id,
          client_secret: secret,
          grant_types: ['authorization_code'],
          response_types: ['code'],
          token_endpoint_auth_method: 'client_secret_basic',
          id_token_signed_response_alg: 'RS256',
          ...this.client,
        },
      ],
      jwks: { keys },
      cookies: { keys: [this.#cookieKey] },
      claims: { openid: ['sub'], email: ['email'], profile: ['name', 'preferred_username'] },
      conformIdTokenClaims: thin,
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_, id) => ({ accountId: id, claims: () => this.#claims(id) }),
      loadExistingGrant: (context) => this.#grant(context),
    });
  }

  #claims(id) {
    const person = this.people.find((one) => one.id === id);
    return { sub: id, email: person?.email, name: person?.name, preferred_username: person?.login };
  }

  // As at Okta an administrator has consented for everybody.
  async #grant({ oidc }) {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.issuer);
    if (pathname.startsWith('/api/') || pathname === '/.well-known/okta-organization') {
      return this.#pass(request, response);
    }
    this.calls.push(`${request.method} ${pathname}`);
    if (pathname.startsWith('/interaction/')) {
      return this.#interact(request, response);
    }
    return this.#provider.callback()(request, response);
  }

  // The simulator writes its own address into links; here they must lead back here.
  async #pass(request, response) {
    const { host, connection, 'content-length': length, 'transfer-encoding': encoding, ...headers } = request.headers;
    const body = await read(request);
    const answer = await fetch(this.sim.base + request.url, {
      method: request.method,
      headers,
      body: body.length > 0 ? body : undefined,
    });
    const here = (text) => text.replaceAll(this.sim.base, this.issuer);
    const text = here(await answer.text());
    for (const [name, value] of answer.headers) {
      if (!['content-length', 'content-encoding', 'transfer-encoding', 'connection', 'keep-alive'].includes(name)) {
        response.setHeader(name, here(value));
      }
    }
    response.writeHead(answer.status).end(text);
  }

  // The sign-in page: whoever comes says as which subject, and is believed.
  async #interact(request, response) {
    const { params } = await this.#provider.interactionDetails(request, response);
    if (request.method === 'GET') {
      const hinted = this.people.find((one) => one.login === params.login_hint);
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(
        `<form method="post" action="${request.url}">` +
          `<input type="hidden" name="account" value="${hinted?.id ?? ''}"></form>`,
      );
      return;
    }
    const fields = new URLSearchParams((await read(request)).toString());
    const result = fields.has('decline')
      ? { error: 'access_denied', error_description: 'The person went back.' }
      : { login: { accountId: fields.get('account') } };
    await this.#provider.interactionFinished(request, response, result);
  }
}

async function read(request) {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  return Buffer.concat(parts);
}
