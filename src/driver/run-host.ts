/**
 * A whole run that was left on a cluster's head: its driver is a child of ours, its results stay.
 *
 * Owns: the run's folder (manifest.json and input/, as they were brought; out/, log.txt and
 * status.json, which says how far it is). Modes: *running*; *done* or *failed*, when it waits to be
 * fetched. Invariant: `remove` leaves no file of it, `close` leaves all: the next host goes on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { Deferred } from "../base/deferred.ts";
import { writeFileAtomically } from "../base/files.ts";

const PROGRAM = fileURLToPath(new URL("../cli/main.js", import.meta.url));
/** The command's own word for "the same again may succeed", and how often it is taken. */
const EXIT_TRY_AGAIN = 75;
const ATTEMPTS_MAX = 10;
const ATTEMPT_PAUSE_MS = 5000;
/** An interrupted driver ends its fleet within this time. */
const STOP_MS = 20_000;

export const manifestSchema = z.object({
  run: z.string(),
  /** Of raysidue, without what depends on the place: inputs, output folder, address. */
  command: z.array(z.string()),
  /** Within the run's folder. */
  inputs: z.array(z.string()),
  /** Where its results are wanted at home. */
  outputFolder: z.string(),
  startedAt: z.string(),
});
export type RunManifest = z.infer<typeof manifestSchema>;

export const hostedSchema = z.object({
  state: z.enum(["running", "done", "failed"]),
  exit: z.number(),
  /** The last line that the driver said. */
  line: z.string(),
  /** Of the output folder, when the run has ended. */
  files: z.array(z.object({ path: z.string(), sizeBytes: z.number() })),
});
export type HostedStatus = z.infer<typeof hostedSchema>;

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
      await this.#say("running", 0);
      this.#running = this.#run(manifest);
    }
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
    await this.#say(exit === 0 || exit === 2 ? "done" : "failed", exit, files);
  }

  async #runOnce({ command, inputs }: RunManifest): Promise<number> {
    const paths = inputs.map((input) => join(this.#folder, input));
    const output = ["-o", join(this.#folder, "out"), "--address", this.#address];
    const child = spawn(process.execPath, [PROGRAM, ...command, ...output, "--", ...paths], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    const log = createWriteStream(join(this.#folder, "log.txt"), { flags: "a" });
    for await (const line of createInterface({ input: child.stderr! })) {
      log.write(`${line}\n`);
      // Where it lies there is nobody's business at home.
      if (line.startsWith("output: ")) continue;
      this.#line = line;
      await this.#say("running", 0);
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    log.end();
    await once(log, "close");
    return child.exitCode ?? EXIT_TRY_AGAIN;
  }

  async #say(
    state: HostedStatus["state"],
    exit: number,
    files: HostedStatus["files"] = [],
  ): Promise<void> {
    const status: HostedStatus = { state, exit, line: this.#line, files };
    await writeFileAtomically(join(this.#folder, "status.json"), JSON.stringify(status));
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
