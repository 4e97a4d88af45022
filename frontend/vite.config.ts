import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { compress } from "./compress.ts";

const SERVICE = process.env.ADBID_URL ?? "http://127.0.0.1:8000";
const API = ["/api", "/strategies", "/slots", "/brands", "/partners", "/audit", "/openapi.json"];

export default defineConfig({
  plugins: [react(), compress()],
  resolve: { tsconfigPaths: true },
  server: { proxy: Object.fromEntries(API.map((path) => [path, SERVICE])) },
  build: {
    target: ["chrome123", "firefox121", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
