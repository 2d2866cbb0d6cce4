/**
 * TLS between scheduler, worker and driver: a real run, and every way it is refused.
 *
 * Certificates are made with openssl; where there is none, the test skips aloud.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { hasOpenssl } from "../support/certificates.ts";
import { fastaOf, randomSequences } from "../support/fasta-text.ts";
import { readReport } from "../support/outputs.ts";
import { Sandbox } from "../support/sandbox.ts";

const TOKEN = "a token under TLS";

const skip = hasOpenssl() ? false : "there is no openssl to make certificates with";

describe("TLS", { skip }, () => {
  let sandbox: Sandbox;
  let address: string;
  before(async () => {
    sandbox = new Sandbox();
    authority("own");
    authority("other");
    certificate("server", "own");
    certificate("client", "own");
    certificate("stranger", "other");
    sandbox.write("a.fasta", fastaOf(randomSequences(20, { from: 5, to: 20, seed: 4 })));
    const environment = { RAYSIDUE_TOKEN: TOKEN };
    const flags = ["--tls-cert", "server.pem", "--tls-key", "server.key"];
    const args = ["scheduler", "start", "--listen", "127.0.0.1:0", ...flags];
    const scheduler = sandbox.start([...args, "--tls-client-ca", "own.pem"], { environment });
    [address] = (await scheduler.printed(/^grpcs:\/\/\S+$/m)) as [string];
  });
  after(() => sandbox[Symbol.asyncDispose]());

  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: sandbox.path("."), stdio: "ignore" });
  function authority(name: string) {
    const subject = ["-subj", `/CN=${name}`, "-days", "2"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, ...subject);
  }
  function certificate(name: string, issuer: string) {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const names = ["-addext", "subjectAltName=IP:127.0.0.1", "-subj", `/CN=${name}`];
    const signer = ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-days", "2"];
    const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
    openssl("req", "-x509", ...key, ...names, ...signer, ...files);
  }
  const as = (name: string, trusted = "own") => ({
    RAYSIDUE_TOKEN: TOKEN,
    RAYSIDUE_TLS_CA: sandbox.path(`${trusted}.pem`),
    RAYSIDUE_TLS_CERT: sandbox.path(`${name}.pem`),
    RAYSIDUE_TLS_KEY: sandbox.path(`${name}.key`),
  });
  const embed = (output: string, to = address) => [
    ...["embed", "a.fasta", "-o", output, "-m", "emulate", "--no-cache", "--address", to],
  ];

  test("a run between certified parties, rows fetched in TLS too", async () => {
    const worker = await sandbox.startWorker(address, ["--emulate", "instant"], {
      environment: { ...as("server"), RAYSIDUE_TLS_CLIENT_CA: sandbox.path("own.pem") },
    });
    try {
      await sandbox.expect(0, embed("out"), { environment: as("client") });
      assert.equal(readReport(sandbox.path("out")).counts.computed, 20);
    } finally {
      await worker.stop();
    }
  });

  test("refuses plain text, strangers and a wrong authority, each in one line", async () => {
    const plain = address.replace("grpcs://", "grpc://");
    for (const [to, environment] of [
      [plain, as("client")],
      [address, as("stranger")],
      [address, as("client", "other")],
    ] as const) {
      const { stderr } = await sandbox.expect(69, embed("refused", to), { environment });
      assert.match(stderr, /^raysidue: error: .*(grpcs:\/\/|TLS|certificate)/m);
    }
  });

  test("says which file is missing or no certificate", async () => {
    const start = ["scheduler", "start", "--listen", "127.0.0.1:0"];
    const environment = { RAYSIDUE_TOKEN: TOKEN };
    const half = await sandbox.expect(64, [...start, "--tls-cert", "own.pem"], { environment });
    assert.match(half.stderr, /both --tls-cert and --tls-key/);
    const files = ["--tls-cert", "a.fasta", "--tls-key", "own.key"];
    const wrong = await sandbox.expect(65, [...start, ...files], { environment });
    assert.match(wrong.stderr, /--tls-cert: a\.fasta is no PEM file/);
    const others = ["--tls-cert", "own.pem", "--tls-key", "other.key"];
    const unfit = await sandbox.expect(65, [...start, ...others], { environment });
    assert.match(unfit.stderr, /certificate and key do not fit/);
  });
});
