/**
 * A whole run that was left on a cluster's head: its driver is a child of ours, its results stay.
 *
 * Owns: the run's folder (manifest.json, input/ and files/, as they were brought; out/, log.txt and
 * status.json, which says how far it is). Modes: *running*; *done* or *failed*, when it waits to be
 * fetched, for so long as the manifest says. Invariant: `remove` leaves no file of it, `close` leaves
 * all: the next host goes on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Deferred } from "../../base/deferred.ts";
import { ensureFolder, writeFileAtomically } from "../../base/files.ts";
import { hubCacheRoot } from "../../model/environment.ts";
import {
  type HostedStatus,
  hostedSchema,
  KEEP_SECONDS,
  manifestSchema,
  type RunManifest,
} from "./run-manifest.ts";

const PROGRAM = fileURLToPath(new URL("../../cli/main.js", import.meta.url));
/** The command's own word for "the same again may succeed", and how often it is taken. */
const EXIT_TRY_AGAIN = 75;
const ATTEMPTS_MAX = 10;
const ATTEMPT_PAUSE_MS = 5000;
/** An interrupted driver ends its fleet within this time. */
const STOP_MS = 20_000;
/** How often a run that waits to be fetched looks at the clock; longer than 24 days no timer runs. */
const LOOK_MS = 3_600_000;

export class RunHost {
  readonly #folder: string;
  readonly #address: string;
  readonly #closed = new Deferred<void>();
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #line = "";
  #running: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** `address`: of the cluster, as the head reaches it. */
  constructor(folder: string, address: string) {
    this.#folder = folder;
    this.#address = address;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Resolves with the run's name when its driver is started, or has ended before. */
  async start(): Promise<string> {
    const manifest = manifestSchema.parse(await this.#readJson("manifest.json"));
    const known = await this.#readJson("status.json")
      .then((json) => hostedSchema.parse(json))
      .catch(() => undefined);
    if (known === undefined || known.state === "running") {
      await this.#say({ state: "running", exit: 0 });
      this.#running = this.#run(manifest);
    } else this.#running = this.#keep(known.keptUntil);
    await removeExpired(dirname(this.#folder), { but: manifest.run });
    return manifest.run;
  }

  /** Ends the driver; the files stay. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** Ends the driver and removes the files: the run was fetched or is not wanted. */
  remove(): Promise<void> {
    this.#closing ??= this.#end(() => rm(this.#folder, { recursive: true, force: true }));
    return this.#closing;
  }

  async #end(andThen?: () => Promise<void>): Promise<void> {
    this.#stop.abort();
    const child = this.#child;
    child?.kill("SIGTERM");
    const force = setTimeout(() => child?.kill("SIGKILL"), STOP_MS);
    await this.#running;
    clearTimeout(force);
    await andThen?.();
    this.#closed.resolve();
  }

  async #run(manifest: RunManifest): Promise<void> {
    let exit = 0;
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !this.#stop.signal.aborted; attempt++) {
      exit = await this.#runOnce(manifest);
      if (exit !== EXIT_TRY_AGAIN) break;
      await delay(ATTEMPT_PAUSE_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
    // Interrupted, it is not over: the next host goes on.
    if (this.#stop.signal.aborted) return;
    const files = await filesBelow(join(this.#folder, "out"));
    // Records that are quarantined leave a whole output, as at home.
    const state = exit === 0 || exit === 2 ? "done" : "failed";
    const keptUntil = new Date(Date.now() + manifest.keepSeconds * 1000).toISOString();
    await this.#say({ state, exit, files, keptUntil });
    await this.#keep(keptUntil);
  }

  /** Removes the run when its time is over and nobody has come for it. */
  async #keep(until: string): Promise<void> {
    const { signal } = this.#stop;
    for (let ms = left(until); ms > 0; ms = left(until)) {
      await delay(Math.min(ms, LOOK_MS), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
    }
    void this.remove();
  }

  async #runOnce({ command, inputs, flags }: RunManifest): Promise<number> {
    const roots = { run: this.#folder, hub: hubCacheRoot(process.env) };
    const placed = flags.flatMap(({ flag, root, path }) => [flag, join(roots[root], path)]);
    const places = ["-o", join(this.#folder, "out"), "--address", this.#address];
    const words = [...command, ...placed, ...places, "--", ...inputs];
    // Inputs are called as at home, from the folder that they are in.
    const cwd = join(this.#folder, "input");
    await ensureFolder(cwd);
    const child = spawn(process.execPath, [PROGRAM, ...words], {
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    const log = createWriteStream(join(this.#folder, "log.txt"), { flags: "a" });
    for await (const line of createInterface({ input: child.stderr! })) {
      log.write(`${line}\n`);
      // Where it lies there is nobody's business at home.
      if (line.startsWith("output: ")) continue;
      this.#line = line;
      await this.#say({ state: "running", exit: 0 });
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    log.end();
    await once(log, "close");
    return child.exitCode ?? EXIT_TRY_AGAIN;
  }

  async #say(status: Pick<HostedStatus, "state" | "exit"> & Partial<HostedStatus>): Promise<void> {
    const whole: HostedStatus = { files: [], keptUntil: "", ...status, line: this.#line };
    await writeFileAtomically(join(this.#folder, "status.json"), JSON.stringify(whole));
  }

  async #readJson(name: string): Promise<unknown> {
    return JSON.parse(await readFile(join(this.#folder, name), "utf8"));
  }
}

/** What a user looks for in an output folder; shards and scratch files are in a hidden one. */
async function filesBelow(root: string, folder = ""): Promise<HostedStatus["files"]> {
  const files: HostedStatus["files"] = [];
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory()) files.push(...(await filesBelow(root, path)));
    else files.push({ path, sizeBytes: (await stat(join(root, path))).size });
  }
  return files;
}

function left(until: string): number {
  // What an earlier version kept without a limit goes on waiting.
  return until === "" ? Number.POSITIVE_INFINITY : Date.parse(until) - Date.now();
}

/**
 * Removes what hosts left here that were ended with their node before its time was over, and are
 * nobody's any more. A run that is under way says a word every few seconds.
 */
async function removeExpired(root: string, { but }: { readonly but: string }): Promise<void> {
  for (const name of await readdir(root).catch(() => [])) {
    if (name === but) continue;
    const folder = join(root, name);
    const file = join(folder, "status.json");
    const known = await readFile(file, "utf8")
      .then((text) => hostedSchema.parse(JSON.parse(text)))
      .catch(() => undefined);
    const { mtimeMs } = await stat(known === undefined ? folder : file).catch(() => ({
      mtimeMs: Date.now(),
    }));
    const silent = new Date(mtimeMs + KEEP_SECONDS * 1000).toISOString();
    if (left(known?.keptUntil || silent) > 0) continue;
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}
