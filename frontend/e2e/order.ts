import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** The journeys first: pages are looked at when something has happened. What hangs comes last. */
const ORDER = ["client", "journeys", "lasting", "keyboard", "pages", "stability", "failures", "banners"];

export class InOrder extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => ORDER.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
    return Promise.resolve([...files].sort((one, other) => place(one) - place(other)));
  }
}
