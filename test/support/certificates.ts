/**
 * Certificates for tests, made with openssl.
 */
import { execFileSync } from "node:child_process";
import type { Sandbox } from "./sandbox.ts";

export function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** `NAME.pem`, which signs itself, and `NAME.key` in the sandbox, for a server at IP addresses. */
export function makeCertificate(sandbox: Sandbox, name: string, ...addresses: string[]): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const alternatives = addresses.map((address) => `IP:${address}`).join(",");
  const names = ["-addext", `subjectAltName=${alternatives}`, "-subj", `/CN=${name}`];
  const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2"];
  const args = ["req", "-x509", ...key, ...names, ...files];
  execFileSync("openssl", args, { cwd: sandbox.folder, stdio: "ignore" });
}
