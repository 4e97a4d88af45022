import { count } from "@/lib/format";
import { Button } from "../form/Button";
import css from "./catalogue.module.css";

interface Props {
  offset: number;
  limit: number;
  total: number;
  onOffset: (offset: number | undefined) => void;
}

/** Which items of how many are shown, and the way to the others. */
export function Pager({ offset, limit, total, onOffset }: Props) {
  if (total <= limit && offset === 0) return null;
  const last = Math.min(offset + limit, total);
  return (
    <nav className={css.pager} aria-label="Pages of the list">
      <span>
        {count(Math.min(offset + 1, total))}–{count(last)} of {count(total)}
      </span>
      <Button disabled={offset === 0} onClick={() => onOffset(offset > limit ? offset - limit : undefined)}>
        Previous
      </Button>
      <Button disabled={last >= total} onClick={() => onOffset(offset + limit)}>
        Next
      </Button>
    </nav>
  );
}
