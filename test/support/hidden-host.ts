/**
 * This machine as one that a test's Ray nodes do not reach, behind an address translation say.
 *
 * Owns: an address of this machine's for which nodes have no way, and a rule by which it is the one
 * that datagrams towards them come from: a program that asks which address it has is told this one.
 * Connections to the nodes work as before.
 */
import { execFileSync } from "node:child_process";
import type { RayNodes } from "./ray-nodes.ts";

/** Of TEST-NET-1, which nobody has (RFC 5737). */
const ADDRESS = "192.0.2.1";

export function hideHost(nodes: RayNodes): Disposable {
  const subnet = nodes.hostAddress.replace(/\d+$/, "0/24");
  const [, device] = /dev (\S+)/.exec(ip("route", "get", nodes.headAddress))!;
  const table = String(process.pid);
  const rule = ["ipproto", "udp", "to", subnet, "lookup", table];
  ip("addr", "add", `${ADDRESS}/32`, "dev", device!);
  ip("route", "add", subnet, "dev", device!, "src", ADDRESS, "table", table);
  ip("rule", "add", ...rule);
  return {
    [Symbol.dispose]() {
      ip("rule", "del", ...rule);
      ip("route", "flush", "table", table);
      ip("addr", "del", `${ADDRESS}/32`, "dev", device!);
    },
  };
}

function ip(...args: readonly string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}
