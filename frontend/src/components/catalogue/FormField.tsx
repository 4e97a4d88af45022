import type { FieldSpec } from "@/lib/form";
import { partners } from "@/queries/partners";
import { strategies } from "@/queries/strategies";
import { NumberField, SelectField, TextField } from "../form/Field";
import { Toggle } from "../form/Toggle";
import { ItemPicker } from "../picker/ItemPicker";

interface Props {
  spec: FieldSpec;
  held: string | boolean;
  problem: string | undefined;
  onHeld: (value: string | boolean) => void;
}

/** The control that a field's kind asks for. */
export function FormField({ spec, held, problem, onHeld }: Props) {
  const text = typeof held === "string" ? held : "";
  const shared = { label: spec.label, hint: spec.hint, problem };
  switch (spec.kind) {
    case "flag":
      return <Toggle label={spec.label} checked={held === true} onChecked={onHeld} />;
    case "number":
      return <NumberField {...shared} {...(spec.unit !== undefined && { unit: spec.unit })} value={text} onValue={onHeld} />;
    case "choice":
      return <SelectField {...shared} value={text} options={spec.options} onValue={onHeld} />;
    case "item":
      return spec.noun === "partners" ? (
        <ItemPicker {...shared} resource={partners} value={idOf(text)} placeholder="Choose" onValue={(id) => onHeld(String(id ?? ""))} />
      ) : (
        <ItemPicker {...shared} resource={strategies} value={idOf(text)} placeholder="Choose" onValue={(id) => onHeld(String(id ?? ""))} />
      );
    case "text":
      return <TextField {...shared} value={text} onValue={onHeld} />;
  }
}

function idOf(text: string): number | undefined {
  return text === "" ? undefined : Number(text);
}
