import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist", "db/schema.ts", "db/relations.ts", "src/lib/api/schema.d.ts"] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "max-lines": ["error", 250],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "no-restricted-globals": ["error", "event", "name"],
    },
  },
  { files: ["src/**/*.{ts,tsx}"], ...hooks.configs.flat.recommended },
  { files: ["**/*.{js,mjs}"], ...ts.configs.disableTypeChecked },
  {
    files: ["openapi/*.mjs", "db/**/*.mjs", "public/*.js"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly", document: "readonly", localStorage: "readonly", setTimeout: "readonly", fetch: "readonly" } },
    rules: { "@typescript-eslint/no-unused-vars": "error" },
  },
);
