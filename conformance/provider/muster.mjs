// Programs of ours: a simulator, and an installation of Muster in a folder that is thrown away.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const COMMAND_MS = 30_000;
const START_MS = 20_000;
const STOP_MS = 10_000;

/** A program in the background whose first line says, as JSON, how to reach it. */
export class Service {
  static async start(program, args, env) {
    const service = new Service();
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    service.child = child;
    service.log = '';
    child.stderr.on('data', (part) => {
      service.log += part;
    });
    service.ended = new Promise((resolve) => {
      child.on('error', resolve);
      child.on('exit', resolve);
    });
    const first = new Promise((resolve, reject) => {
      const failed = (why) => reject(new Error(`${program} ${args[0]} ${why}\n${service.log}`));
      createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)));
      service.ended.then(() => failed('ended'));
      setTimeout(() => failed('does not start'), START_MS).unref();
    });
    try {
      service.said = await first;
    } catch (error) {
      await service.stop();
      throw error;
    }
    return service;
  }

  async stop() {
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(late);
  }
}

export class Muster {
  constructor(program, env) {
    this.program = program;
    this.folder = mkdtempSync(join(tmpdir(), 'muster-sign-in-'));
    // Nothing of whoever runs this may reach in.
    const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('MUSTER_'));
    this.env = {
      ...Object.fromEntries(outside),
      MUSTER_DATABASE_URL: `sqlite://${join(this.folder, 'muster.db')}`,
      MUSTER_LISTEN: '127.0.0.1:0',
      ...env,
    };
  }

  /** Runs a command and gives what it prints; JSON where `--json` is among the arguments, one value a line. */
  run(...args) {
    return new Promise((resolve, reject) => {
      const options = { env: this.env, timeout: COMMAND_MS, maxBuffer: 64 * 1024 * 1024 };
      execFile(this.program, args, options, (error, stdout, stderr) => {
        if (error) {
          reject(new Error(`muster ${args.join(' ')}: ${error.code ?? error.signal}\n${stdout}${stderr}`));
        } else {
          const lines = stdout.split('\n').filter((line) => line !== '');
          resolve(args.includes('--json') ? lines.map((line) => JSON.parse(line)) : stdout);
        }
      });
    });
  }

  /** A file for a secret, which commands take from nowhere else. */
  secret(name, text) {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  async serve() {
    this.service = await Service.start(this.program, ['serve', '--json'], this.env);
    return Number(this.service.said.listen.split(':').pop());
  }

  async end() {
    await this.service?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
