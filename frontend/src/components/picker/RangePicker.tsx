import { PRESET_LABELS, type ChosenRange, type Preset } from "@/lib/ranges";
import { fromInput, toInput, zoneName } from "@/lib/time";
import { useZone } from "@/lib/preferences";
import { SelectField, TextField } from "../form/Field";
import css from "./picker.module.css";

interface Props<Offered extends Preset> {
  chosen: ChosenRange;
  presets: readonly Offered[];
  fallback: Offered;
  onChoose: (range: { range: Offered | undefined; from: string | undefined; to: string | undefined }) => void;
}

const CUSTOM = "custom";
const WEEK_MS = 604_800_000;

/** A preset, or two moments in the reader's zone. */
export function RangePicker<Offered extends Preset>({ chosen, presets, fallback, onChoose }: Props<Offered>) {
  const zone = useZone();
  const custom = chosen.from !== undefined || chosen.to !== undefined;
  const options = [...presets.map((value) => ({ value, label: PRESET_LABELS[value] })), { value: CUSTOM, label: "From – to" }];
  const pick = (value: string) => {
    const preset = presets.find((candidate) => candidate === value);
    if (preset) return onChoose({ range: preset, from: undefined, to: undefined });
    const now = Date.now();
    onChoose({ range: undefined, from: new Date(now - WEEK_MS).toISOString(), to: new Date(now).toISOString() });
  };
  const edge = (name: "from" | "to", text: string) => {
    const at = text === "" ? undefined : fromInput(text, zone);
    onChoose({ range: undefined, from: chosen.from, to: chosen.to, [name]: at });
  };
  return (
    <div className={css.range}>
      <SelectField label="Time range" value={custom ? CUSTOM : (chosen.range ?? fallback)} options={options} onValue={pick} />
      {custom &&
        (["from", "to"] as const).map((name) => (
          <TextField
            key={name}
            type="datetime-local"
            label={`${name === "from" ? "From" : "To"} (${zoneName(zone, new Date())})`}
            value={chosen[name] === undefined ? "" : toInput(chosen[name], zone)}
            onValue={(text) => edge(name, text)}
          />
        ))}
    </div>
  );
}
