import { onlineManager } from "@tanstack/react-query";
import { afterEach, expect, test } from "vitest";
import { Problem } from "@/lib/api/problem";
import { createQueryClient } from "./cache";
import { SESSION_KEY } from "./session";

const SESSION = { name: "Ann", scopes: ["view", "ops"], expires_at: null };

afterEach(() => onlineManager.setOnline(true));

test("a browser that takes itself for offline asks and saves all the same", async () => {
  onlineManager.setOnline(false);
  const client = createQueryClient();
  expect(await client.query({ queryKey: ["slots"], queryFn: () => "read" })).toBe("read");
  const save = client.getMutationCache().build(client, { mutationFn: () => Promise.resolve("saved") });
  expect(await save.execute(undefined)).toBe("saved");
});

test.each([
  [SESSION, { ...SESSION, over: true }],
  [null, null],
])("a session that ends is still known, with what its key may do: %j", async (before, after) => {
  const client = createQueryClient();
  client.setQueryData(SESSION_KEY, before);
  const refused = () => Promise.reject(new Problem(401, "Unauthorized", "no key"));
  await expect(client.query({ queryKey: ["slots"], queryFn: refused })).rejects.toThrow("no key");
  expect(client.getQueryData(SESSION_KEY)).toEqual(after);
});
