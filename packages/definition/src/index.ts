/** Definition files: YAML or JSON to entries. */
export * as Definition from "./Definition.ts"
export * as InvalidDefinition from "./InvalidDefinition.ts"
