import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hubCacheRoot, hubEndpoint, hubToken, isOffline, ownCacheFolder } from "./environment.ts";

test("the hub cache is found in huggingface_hub's order", () => {
  const environment: Record<string, string> = { HOME: "/h" };
  assert.equal(hubCacheRoot(environment), "/h/.cache/huggingface/hub");
  assert.equal(ownCacheFolder(environment), "/h/.cache/raysidue");
  environment.XDG_CACHE_HOME = "/xdg";
  assert.equal(hubCacheRoot(environment), "/xdg/huggingface/hub");
  assert.equal(ownCacheFolder(environment), "/xdg/raysidue");
  environment.HF_HOME = "~/hf";
  assert.equal(hubCacheRoot(environment), "/h/hf/hub");
  environment.HUGGINGFACE_HUB_CACHE = "/old";
  assert.equal(hubCacheRoot(environment), "/old");
  environment.HF_HUB_CACHE = "/new";
  assert.equal(hubCacheRoot(environment), "/new");
  environment.HF_HUB_CACHE = "";
  assert.equal(hubCacheRoot(environment), "/old");
  environment.RAYSIDUE_CACHE_DIR = "/own";
  assert.equal(ownCacheFolder(environment), "/own");
});

test("the endpoint is an http address without a slash at its end", () => {
  assert.equal(hubEndpoint({}), "https://huggingface.co");
  assert.equal(
    hubEndpoint({ HF_ENDPOINT: "https://mirror.example/hf/" }),
    "https://mirror.example/hf",
  );
  for (const wrong of ["mirror.example", "file:///etc", "ftp://x"]) {
    assert.throws(() => hubEndpoint({ HF_ENDPOINT: wrong }), { code: "usage" });
  }
});

test("offline as huggingface_hub reads it", () => {
  for (const yes of ["1", "true", "YES", "on"]) assert.ok(isOffline({ HF_HUB_OFFLINE: yes }));
  for (const no of ["0", "", "false", "no"]) assert.ok(!isOffline({ HF_HUB_OFFLINE: no }));
});

test("the token comes from the variable, the named file, or the login", async () => {
  const folder = await mkdtemp(join(tmpdir(), "raysidue-token-"));
  try {
    const environment: Record<string, string> = { HOME: folder, HF_HOME: folder };
    assert.equal(await hubToken(environment), undefined);
    await writeFile(join(folder, "token"), "from-login\n");
    assert.equal(await hubToken(environment), "from-login");
    await writeFile(join(folder, "other"), " from-file ");
    environment.HF_TOKEN_PATH = join(folder, "other");
    assert.equal(await hubToken(environment), "from-file");
    environment.HF_TOKEN = "given\n";
    assert.equal(await hubToken(environment), "given");
  } finally {
    await rm(folder, { recursive: true });
  }
});
