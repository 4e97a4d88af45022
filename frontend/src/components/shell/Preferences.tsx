import { chooseTheme, chooseZone, useTheme, useZone, type Theme } from "@/lib/preferences";
import { zoneName, type Zone } from "@/lib/time";
import { Choice } from "../form/Choice";
import css from "./shell.module.css";

const THEMES: { value: Theme; label: string }[] = [
  { value: "auto", label: "Auto" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

const ZONES: { value: Zone; label: string }[] = [
  { value: "utc", label: "UTC" },
  { value: "local", label: "Local" },
];

export function Preferences() {
  const theme = useTheme();
  const zone = useZone();
  return (
    <div className={css.preferences}>
      <Choice label={`Times in ${zoneName(zone, new Date())}`} value={zone} options={ZONES} onValue={chooseZone} />
      <Choice label="Theme" value={theme} options={THEMES} onValue={chooseTheme} />
    </div>
  );
}
