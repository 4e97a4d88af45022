import { useId } from "react";
import css from "./form.module.css";

interface Props<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onValue: (value: T) => void;
  /** Leaves the label to screen readers. */
  bare?: boolean;
}

/** A few exclusive options side by side: radio buttons, with their arrow keys. */
export function Choice<T extends string>({ label, value, options, onValue, bare = false }: Props<T>) {
  const name = useId();
  return (
    <fieldset className={css.choice}>
      <legend className={bare ? "hidden-visually" : css.label}>{label}</legend>
      <div className={css.segments}>
        {options.map((option) => (
          <label key={option.value} className={css.segment}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onValue(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
