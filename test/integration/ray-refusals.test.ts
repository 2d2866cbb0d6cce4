/**
 * A real Ray cluster that speaks TLS only, with a node that has no room on its disk.
 *
 * Proves: TLS where none is and the reverse, by Ray Client and by a bridge, and a certificate of a
 * stranger each get one line that says what to do and exit 69; so does a full disk, which is named;
 * the cluster is left as it was. With the right certificate, and room, runs work, also one that is
 * left there.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { BRIDGE_TOKEN, startBridge } from "../support/bridge.ts";
import { hasOpenssl, makeCertificate } from "../support/certificates.ts";
import { fastaOf } from "../support/fasta-text.ts";
import { readEmbeddings } from "../support/outputs.ts";
import { absence, HEAD_ADDRESS, RayNodes } from "../support/ray-nodes.ts";
import { assertNothingLeft, sequences } from "../support/ray-runs.ts";
import { Sandbox } from "../support/sandbox.ts";

const openssl = hasOpenssl() ? undefined : "there is no openssl to make certificates with";
const skip = absence() ?? openssl ?? false;

let sandbox: Sandbox;
let nodes: RayNodes;
let cache: string;

/** Ray's TLS with a certificate of `name`, whose peers must be of `authority`. */
const rayTls = (name: string, authority = "node") => ({
  RAY_USE_TLS: "1",
  RAY_TLS_SERVER_CERT: sandbox.path(`${name}.pem`),
  RAY_TLS_SERVER_KEY: sandbox.path(`${name}.key`),
  RAY_TLS_CA_CERT: sandbox.path(`${authority}.pem`),
});

before(async () => {
  if (skip !== false) return;
  sandbox = new Sandbox();
  makeCertificate(sandbox, "node", HEAD_ADDRESS, "127.0.0.1");
  makeCertificate(sandbox, "stranger", "127.0.0.1");
  sandbox.write("a.fasta", fastaOf(sequences.slice(0, 20)));
  cache = sandbox.path("node-cache");
  mkdirSync(cache);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", cache]);
  const environment = { ...rayTls("node"), RAYSIDUE_CACHE_DIR: cache };
  nodes = await RayNodes.start({ count: 1, cpus: 1, environment });
});

after(async () => {
  await nodes?.stop();
  if (cache !== undefined) execFileSync("umount", [cache]);
  await sandbox?.[Symbol.asyncDispose]();
});

const rayClient = () => `ray://${nodes.headAddress}:10001`;

type Environment = Readonly<Record<string, string>>;

function embed(output: string, address: string, exit: number, environment: Environment) {
  const args = ["embed", "a.fasta", "-o", output, "-m", "emulate", "--no-cache"];
  return sandbox.expect(exit, [...args, "--address", address], { environment });
}

async function refuses(address: string, environment: Environment, says: RegExp) {
  const { stderr } = await embed("refused", address, 69, environment);
  const errors = stderr.split("\n").filter((line) => line.startsWith("raysidue: error:"));
  assert.equal(errors.length, 1, stderr);
  assert.match(errors[0]!, says);
  await assertNothingLeft(nodes);
}

async function succeeds(output: string, address: string, environment: Environment) {
  await embed(output, address, 0, environment);
  assert.equal((await readEmbeddings(sandbox.path(output))).length, 20);
  await assertNothingLeft(nodes);
}

test("Ray Client: plain text, and a stranger's certificate", { skip }, async () => {
  await refuses(rayClient(), {}, /no Ray Client answers at .* without TLS; .* RAY_USE_TLS=1, set/);
  const stranger = /with TLS; does the cluster have RAY_USE_TLS=1, and its authority signed/;
  await refuses(rayClient(), rayTls("stranger"), stranger);
  await refuses(rayClient(), rayTls("stranger", "stranger"), stranger);
});

test("a node without room is named, with what is needed where", { skip }, async () => {
  const room = /\d+ MiB are needed in \S+node-cache, 4 MiB are free; free some space there/;
  await refuses(rayClient(), rayTls("node"), room);
});

test("with room and the right certificate Ray Client works", { skip }, async () => {
  execFileSync("mount", ["-o", "remount,size=1g", cache]);
  await succeeds("by-client", rayClient(), rayTls("node"));
});

test("--detach with a client's certificate: the head uses its own", { skip }, async () => {
  const at = { environment: rayTls("node") };
  const leave = ["embed", "a.fasta", "-o", "left", "-m", "emulate", "--detach"];
  const { stdout } = await sandbox.expect(0, [...leave, "--address", rayClient()], at);
  await sandbox.expect(0, ["run", "wait", stdout.trim(), "--address", rayClient()], at);
  assert.equal((await readEmbeddings(sandbox.path("left"))).length, 20);
  await assertNothingLeft(nodes);
});

test("a bridge in TLS: the right way works, the wrong ones say so", { skip }, async () => {
  const files = ["--tls-cert", sandbox.path("node.pem"), "--tls-key", sandbox.path("node.key")];
  const bridge = await startBridge(nodes, 0, files);
  const { url } = bridge;
  assert.match(url, /^bridges:/);
  const trusting = (authority: string) => ({
    RAYSIDUE_TOKEN: BRIDGE_TOKEN,
    RAYSIDUE_TLS_CA: sandbox.path(`${authority}.pem`),
  });
  const plain = url.replace("bridges:", "bridge:");
  await refuses(plain, trusting("node"), /no bridge answers at .* without TLS .*address and TLS/);
  await refuses(url, trusting("stranger"), /no bridge answers at .* with TLS .*address and TLS/);
  await succeeds("by-bridge", url, trusting("node"));
  await bridge.stop("SIGTERM");
});
