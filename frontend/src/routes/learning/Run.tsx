import { useEffect, useRef } from "react";
import { QueryView } from "@/components/state/QueryView";
import { useTrainingRun } from "@/queries/training";
import css from "./learning.module.css";

const HEIGHT = 160;

/** One run's progress and the end of its log, followed while it lasts. */
export function Run({ submissionId }: { submissionId: string }) {
  const run = useTrainingRun(submissionId);
  return (
    <div className={css.run}>
      <QueryView query={run} height={HEIGHT}>
        {({ progress, log_tail }) => (
          <>
            <p role="status">{progress ?? "No progress was reported."}</p>
            <Log text={log_tail} />
          </>
        )}
      </QueryView>
    </div>
  );
}

function Log({ text }: { text: string }) {
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [text]);
  if (text === "") return null;
  return (
    <pre ref={box} className={css.log} tabIndex={0} aria-label="End of the log">
      {text}
    </pre>
  );
}
