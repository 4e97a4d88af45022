import { defineConfig } from "vitest/config";
import { InOrder } from "./e2e/order";

/** Against a running service: see e2e/service.ts for what it is told by. */
export default defineConfig({
  test: {
    include: ["e2e/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    sequence: { sequencer: InOrder },
    testTimeout: 60_000,
    hookTimeout: 30_000,
    retry: 0,
  },
});
