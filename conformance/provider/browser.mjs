// As much of a browser as signing in needs: cookies, redirects, forms, and where a page's policy lets its forms lead.

import http from 'node:http';

const REDIRECTS_MAX = 10;
const TIMEOUT_MS = 20_000;

export class Browser {
  #cookies = [];
  #ports;

  /** `ports` says on which port of this machine the hosts are that have no address of their own. */
  constructor(ports) {
    this.#ports = ports;
  }

  /** Another browser with the same cookies. */
  copy() {
    const other = new Browser(this.#ports);
    other.#cookies = this.#cookies.map((cookie) => ({ ...cookie }));
    return other;
  }

  /** Forgets the cookies of a host. */
  forget(url) {
    const { hostname } = new URL(url);
    this.#cookies = this.#cookies.filter((cookie) => cookie.host !== hostname);
  }

  cookie(url, name) {
    const { hostname } = new URL(url);
    return this.#cookies.find((cookie) => cookie.host === hostname && cookie.name === name)?.value;
  }

  /** Opens an address and goes where it leads. `until` is a part of an address at which to stop before it is opened. */
  async open(url, { until } = {}) {
    return this.#follow(await this.#request(url), { until });
  }

  /** Sends the form of a page whose action ends in `action`, with `more` fields. */
  async submit(page, action, more = {}, { until } = {}) {
    const form = page.forms().find((one) => new URL(one.action, page.url).pathname.endsWith(action));
    if (!form) {
      throw new Error(`${page.url} (${page.status}) has no form that goes to ${action}`);
    }
    const to = new URL(form.action, page.url).href;
    page.lets(to);
    const body = new URLSearchParams({ ...form.fields, ...more }).toString();
    return this.#follow(await this.#request(to, { body, from: page.url }), { until, form: page });
  }

  // Browsers hold the whole way that a form leads against the policy of its page, not only the first step.
  async #follow(page, { until, form }) {
    const way = [page.url];
    while (page.status >= 300 && page.status < 400) {
      const to = new URL(page.headers.location, page.url).href;
      form?.lets(to);
      way.push(to);
      if (way.length > REDIRECTS_MAX) {
        throw new Error(`too many redirects: ${way.join(' ')}`);
      }
      if (until && to.includes(until)) {
        return Object.assign(page, { way, to });
      }
      page = await this.#request(to);
    }
    return Object.assign(page, { way });
  }

  #request(text, { body, from } = {}) {
    const url = new URL(text);
    const headers = { host: url.host, accept: 'text/html', 'user-agent': 'Muster conformance' };
    const cookies = this.#cookies.filter((one) => one.host === url.hostname && isWithin(url.pathname, one.path));
    if (cookies.length > 0) {
      headers.cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    }
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
      headers.origin = new URL(from).origin;
      headers['sec-fetch-site'] = headers.origin === url.origin ? 'same-origin' : 'cross-site';
    }
    const port = this.#ports[url.hostname] ?? url.port;
    const target = { host: '127.0.0.1', port, path: url.pathname + url.search, headers, timeout: TIMEOUT_MS };
    return new Promise((resolve, reject) => {
      const request = http.request({ ...target, method: body === undefined ? 'GET' : 'POST' }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () => {
          (answer.headers['set-cookie'] ?? []).forEach((line) => this.#keep(url, line));
          resolve(new Page(url.href, answer.statusCode, answer.headers, Buffer.concat(parts).toString()));
        });
      });
      request.on('timeout', () => request.destroy(new Error(`${url.origin}${url.pathname} does not answer`)));
      request.on('error', reject);
      request.end(body);
    });
  }

  #keep(url, line) {
    const [pair, ...rest] = line.split(';').map((part) => part.trim());
    const at = pair.indexOf('=');
    const attributes = Object.fromEntries(
      rest.map((part) => [part.split('=')[0].toLowerCase(), part.slice(part.indexOf('=') + 1)]),
    );
    const cookie = { host: url.hostname, path: attributes.path ?? '/', name: pair.slice(0, at), value: pair.slice(at + 1) };
    this.#cookies = this.#cookies.filter((one) => ['host', 'path', 'name'].some((key) => one[key] !== cookie[key]));
    const isOver = attributes['max-age'] === '0' || Date.parse(attributes.expires) <= Date.now();
    if (!isOver) {
      this.#cookies.push(cookie);
    }
  }
}

function isWithin(path, folder) {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

class Page {
  constructor(url, status, headers, text) {
    Object.assign(this, { url, status, headers, text });
  }

  /** The forms, each with the address it goes to and its hidden fields. */
  forms() {
    return [...this.text.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, head, inside]) => ({
      action: attribute(head, 'action'),
      fields: Object.fromEntries(
        [...inside.matchAll(/<input\b([^>]*)>/g)]
          .filter(([, input]) => attribute(input, 'type') === 'hidden')
          .map(([, input]) => [attribute(input, 'name'), attribute(input, 'value') ?? '']),
      ),
    }));
  }

  /** Refuses what a browser would refuse: a form that leads where the page's policy does not let it. */
  lets(to) {
    const rule = /form-action ([^;]*)/.exec(this.headers['content-security-policy'] ?? '')?.[1];
    const origins = rule?.trim().split(/ +/).map((source) => (source === "'self'" ? new URL(this.url).origin : source));
    if (origins && !origins.includes(new URL(to).origin)) {
      throw new Error(`the policy of ${this.url} (${rule}) does not let a form lead to ${to}`);
    }
  }
}

function attribute(text, name) {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1].replaceAll('&amp;', '&');
}
