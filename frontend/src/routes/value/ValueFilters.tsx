import { getRouteApi } from "@tanstack/react-router";
import { Button } from "@/components/form/Button";
import { Choice } from "@/components/form/Choice";
import { SelectField, TextField } from "@/components/form/Field";
import { Filters } from "@/components/page/Page";
import { ItemPicker } from "@/components/picker/ItemPicker";
import { RangePicker } from "@/components/picker/RangePicker";
import { countSet } from "@/lib/filters";
import { PRESETS } from "@/lib/ranges";
import { brands } from "@/queries/brands";
import { partners } from "@/queries/partners";
import { slots } from "@/queries/slots";

const route = getRouteApi("/app/value");
const NARROWING = ["slot_id", "brand_id", "partner_id", "device_type"] as const;

const GRANULARITIES = [
  { value: "hour", label: "Hour of day" },
  { value: "day", label: "Day" },
] as const;

const GROUPS = [
  { value: "dow", label: "Day of the week" },
  { value: "slot", label: "Slot" },
  { value: "partner", label: "Partner" },
  { value: "brand", label: "Brand" },
  { value: "device", label: "Device" },
] as const;

export function ValueFilters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (change: Partial<Record<keyof typeof search, unknown>>) =>
    void navigate({ search: (last) => ({ ...last, ...change }) as typeof search, replace: true });
  const granularity = search.granularity ?? "hour";
  const groups = granularity === "day" ? GROUPS.filter(({ value }) => value !== "dow") : GROUPS;
  const chooseGranularity = (value: "hour" | "day") =>
    set({ granularity: value, ...(value === "day" && search.group_by === "dow" && { group_by: undefined }) });
  return (
    <Filters>
      <Choice label="Columns" value={granularity} options={GRANULARITIES} onValue={chooseGranularity} />
      <SelectField
        label="Rows"
        value={search.group_by ?? (granularity === "day" ? "slot" : "dow")}
        options={groups}
        onValue={(group_by) => set({ group_by })}
      />
      <RangePicker chosen={search} presets={PRESETS} fallback="28d" onChoose={set} />
      <ItemPicker label="Slot" resource={slots} value={search.slot_id} onValue={(slot_id) => set({ slot_id })} />
      <ItemPicker label="Brand" resource={brands} value={search.brand_id} onValue={(brand_id) => set({ brand_id })} />
      <ItemPicker label="Partner" resource={partners} value={search.partner_id} onValue={(partner_id) => set({ partner_id })} />
      <TextField
        label="Device"
        placeholder="Any"
        value={search.device_type ?? ""}
        onValue={(text) => set({ device_type: text || undefined })}
      />
      {countSet(search, NARROWING) > 0 && (
        <Button kind="quiet" onClick={() => set(Object.fromEntries(NARROWING.map((name) => [name, undefined])))}>
          Clear filters
        </Button>
      )}
    </Filters>
  );
}
