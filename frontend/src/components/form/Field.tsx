import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes } from "react";
import css from "./form.module.css";

interface Described {
  label: string;
  hint?: ReactNode;
  problem?: string | undefined;
  /** Shown after the input: its unit. */
  unit?: string;
}

interface FrameProps extends Described {
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => ReactNode;
}

/** A label, its control, and what is wrong with it or good to know. */
export function Field({ label, hint, problem, unit, children }: FrameProps) {
  const id = useId();
  const note = problem ?? hint;
  const describedBy = note === undefined ? undefined : `${id}-note`;
  return (
    <div className={css.field}>
      <label htmlFor={id} className={css.label}>
        {label}
        {unit !== undefined && <span className={css.unit}> {unit}</span>}
      </label>
      {children({ id, describedBy, invalid: problem !== undefined })}
      {note !== undefined && (
        <p id={describedBy} className={problem === undefined ? css.hint : css.problem}>
          {note}
        </p>
      )}
    </div>
  );
}

type InputProps = Described & Omit<InputHTMLAttributes<HTMLInputElement>, "onChange" | "value"> & {
  value: string;
  onValue: (value: string) => void;
};

export function TextField({ label, hint, problem, unit, value, onValue, className = "", ...rest }: InputProps) {
  return (
    <Field label={label} hint={hint} problem={problem} {...(unit !== undefined && { unit })}>
      {({ id, describedBy, invalid }) => (
        <input
          {...rest}
          id={id}
          value={value}
          aria-describedby={describedBy}
          aria-invalid={invalid || undefined}
          className={`${css.input} ${className}`}
          onChange={(event) => onValue(event.target.value)}
        />
      )}
    </Field>
  );
}

/** Text that should be a number: any text may be typed, the form says what is wrong with it. */
export function NumberField(props: InputProps) {
  return <TextField inputMode="decimal" autoComplete="off" {...props} className={css.number} />;
}

export interface Option {
  value: string;
  label: string;
}

type SelectProps = Described & Omit<SelectHTMLAttributes<HTMLSelectElement>, "onChange" | "value"> & {
  value: string;
  options: readonly Option[];
  onValue: (value: string) => void;
};

export function SelectField({ label, hint, problem, value, options, onValue, ...rest }: SelectProps) {
  return (
    <Field label={label} hint={hint} problem={problem}>
      {({ id, describedBy }) => (
        <select
          {...rest}
          id={id}
          value={value}
          aria-describedby={describedBy}
          className={css.input}
          onChange={(event) => onValue(event.target.value)}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
