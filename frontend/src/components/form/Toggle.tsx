import { Switch } from "@base-ui/react/switch";
import css from "./form.module.css";

interface Props {
  label: string;
  checked: boolean;
  disabled?: boolean;
  hideLabel?: boolean;
  onChecked: (checked: boolean) => void;
}

export function Toggle({ label, checked, disabled = false, hideLabel = false, onChecked }: Props) {
  return (
    <label className={css.toggle}>
      <Switch.Root className={css.switch} checked={checked} disabled={disabled} onCheckedChange={onChecked}>
        <Switch.Thumb className={css.thumb} />
      </Switch.Root>
      <span className={hideLabel ? "hidden-visually" : undefined}>{label}</span>
    </label>
  );
}
