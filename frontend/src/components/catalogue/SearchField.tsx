import { useEffect, useState } from "react";
import { TextField } from "../form/Field";

const PAUSE_MS = 250;

interface Props {
  label: string;
  value: string | undefined;
  onValue: (value: string | undefined) => void;
}

/** Text that filters once typing pauses. */
export function SearchField({ label, value = "", onValue }: Props) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value);
    setTyped(value);
  }
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => onValue(typed === "" ? undefined : typed), PAUSE_MS);
    return () => clearTimeout(timer);
  });
  return <TextField type="search" label={label} value={typed} onValue={setTyped} />;
}
