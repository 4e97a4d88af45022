import { SelectField } from "../form/Field";

const OPTIONS = [
  { value: "", label: "Any" },
  { value: "false", label: "Running" },
  { value: "true", label: "Paused" },
];

interface Props {
  value: boolean | undefined;
  onValue: (paused: boolean | undefined) => void;
}

export function PausedFilter({ value, onValue }: Props) {
  return (
    <SelectField
      label="State"
      value={value === undefined ? "" : String(value)}
      options={OPTIONS}
      onValue={(text) => onValue(text === "" ? undefined : text === "true")}
    />
  );
}
