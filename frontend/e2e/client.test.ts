import { readFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import { expect, test } from "vitest";
import { read } from "./service";

const DOCUMENT = new URL("../openapi/openapi.json", import.meta.url);
const TYPES = new URL("../src/lib/api/schema.d.ts", import.meta.url);

test("the document that the client is made from is the one that the service gives", async () => {
  expect(JSON.parse(await readFile(DOCUMENT, "utf8"))).toEqual(await read("/openapi.json"));
});

test("the client's types are those of the document", async () => {
  const types = astToString(await openapiTS(DOCUMENT, { defaultNonNullable: false }));
  expect(await readFile(TYPES, "utf8")).toContain(types);
});
