// The payload: its canonical form and its schema. license-server.mjs uses it.
import { readFileSync } from "node:fs";

const payloadSchema = JSON.parse(readFileSync(new URL("../payload.schema.json", import.meta.url)));

// RFC 8785: JavaScript writes numbers and texts as it demands; only the members are left to sort.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).toSorted();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

// As much of JSON Schema as the payload's schema uses, and the rules between fields.
const RULES = {
  sum: ({ parts, total }, of) => parts.reduce((sum, part) => sum + BigInt(of[part]), 0n) === BigInt(of[total]),
  not_above: ({ smaller, larger }, of) => of[smaller] <= of[larger],
  distinct: ({ name }, of) => new Set(of[name]).size === of[name].length,
};
const TYPES = {
  null: (_schema, value) => value === null,
  boolean: (_schema, value) => typeof value === "boolean",
  integer: ({ minimum, maximum }, value) => Number.isInteger(value) && value >= minimum && value <= maximum,
  string: ({ pattern, maxLength = Infinity }, value) =>
    typeof value === "string" && value.length <= maxLength && new RegExp(pattern, "u").test(value),
  array: ({ items, maxItems }, value) =>
    Array.isArray(value) && value.length <= maxItems && value.every((item) => fits(items, item)),
  object: ({ properties, required, "x-rules": rules = [] }, value) =>
    value !== null &&
    typeof value === "object" &&
    Object.keys(value).length === required.length &&
    required.every((name) => Object.hasOwn(value, name) && fits(properties[name], value[name])) &&
    rules.every((rule) => RULES[rule.kind](rule, value)),
};

function fits(schema, value) {
  if (schema.anyOf) return schema.anyOf.some((one) => fits(one, value));
  if (schema.enum) return schema.enum.includes(value);
  return TYPES[schema.type](schema, value);
}

export function isValid(payload) {
  return fits(payloadSchema, payload);
}
