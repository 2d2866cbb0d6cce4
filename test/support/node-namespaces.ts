/**
 * Two machines on this one: each with a network, host name and processes of its own.
 *
 * Owns: two network namespaces joined by a virtual cable. What runs on a node sees no process of
 * another one nor of this machine, so that even `ray stop`, which ends every Ray it sees, does no
 * harm. Invariant: a node's processes end with the program that was started on it. Files are shared,
 * except /tmp/ray. Needs Linux, root, `ip` and `unshare`.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export class NodeNamespaces implements Disposable {
  readonly names: readonly string[] = ["c1", "c2"];
  readonly #hosts: string;

  /** `folder`: of the caller, for the nodes' /etc/hosts. */
  constructor(folder: string) {
    const [first, second] = this.names.map((name) => this.#namespace(name));
    const lines = this.names.map((name) => `${this.addressOf(name)} ${name}\n`);
    this.#hosts = join(folder, "hosts");
    writeFileSync(this.#hosts, `127.0.0.1 localhost\n${lines.join("")}`);
    for (const namespace of [first!, second!]) ip("netns", "add", namespace);
    const there = ["peer", "name", "eth0", "netns", second!];
    ip("-n", first!, "link", "add", "eth0", "type", "veth", ...there);
    for (const name of this.names) {
      const inside = ["-n", this.#namespace(name)];
      ip(...inside, "addr", "add", `${this.addressOf(name)}/24`, "dev", "eth0");
      for (const link of ["lo", "eth0"]) ip(...inside, "link", "set", link, "up");
    }
  }

  addressOf(name: string): string {
    return `10.99.7.${this.names.indexOf(name) + 1}`;
  }

  /** Words to put before a program's, which then runs on the node. */
  on(name: string): readonly string[] {
    // The shell stays: as the first process it takes care of those that lost their parent.
    const script = `hostname ${name} && mount --bind ${this.#hosts} /etc/hosts && \
mkdir -p /tmp/ray && mount -t tmpfs none /tmp/ray && { "$@" & wait; }`;
    const apart = ["--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--mount"];
    return [...this.beside(name), "unshare", ...apart, "bash", "-c", script, "bash"];
  }

  /** The same, sharing nothing of the node but its network. */
  beside(name: string): readonly string[] {
    // `ip netns exec` would mount another /sys, without the cgroups that slurmd looks for.
    return ["nsenter", `--net=/run/netns/${this.#namespace(name)}`];
  }

  [Symbol.dispose](): void {
    for (const name of this.names) ip("netns", "del", this.#namespace(name));
  }

  #namespace(name: string): string {
    return `raysidue-${process.pid}-${name}`;
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}
