/** Which words of a command line go along with a run that is left on a cluster. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { flagsTyped } from "./detach.ts";

function commandWith(words: readonly string[]): Command {
  const command = new Command("embed")
    .argument("<input...>")
    .option("-o, --output <folder>")
    .option("-m, --model <model>", "", "antiberty")
    .option("--layer <n>")
    .option("--address <url>")
    .option("--no-cache")
    .option("-r, --recursive")
    .option("--detach");
  return command.parse(words, { from: "user" });
}

test("flags go along as typed, inputs and places do not", () => {
  const words = [
    ...["a.fasta", "-o", "out", "-m", "esm2_t6_8M", "b.fasta", "--layer=-2", "--no-cache"],
    ...["-r", "--address", "ray://head", "--detach"],
  ];
  const kept = ["-m", "esm2_t6_8M", "--layer=-2", "--no-cache", "-r"];
  assert.deepEqual(flagsTyped(commandWith(words), words), kept);
});

test("a flag whose value goes along itself does not, wherever it comes from", () => {
  const words = ["a.fasta", "-o", "out", "-m", "./folder", "--layer", "2"];
  const command = commandWith(words);
  command.setOptionValueWithSource("model", "./folder", "env");
  assert.deepEqual(flagsTyped(command, words, ["--model"]), ["--layer", "2"]);
});

test("short flags with their value, and what follows --", () => {
  const words = ["-oout", "-mesm", "--layer", "-1", "--", "-m"];
  assert.deepEqual(flagsTyped(commandWith(words), words), ["-mesm", "--layer", "-1"]);
});

test("a flag that was not typed is refused", () => {
  const command = commandWith(["a.fasta", "-o", "out"]);
  command.setOptionValueWithSource("layer", "3", "env");
  assert.throws(() => flagsTyped(command, ["a.fasta"]), /--layer <n> comes from the env/);
});
