/** What the bus announces to observers, in the order it happens. Observers see everything and decide nothing. */
import type * as Handler from "./Handler.ts"
import type * as Transaction from "./Transaction.ts"

/** Event names and what each carries. */
export type RegistryEvents = {
  "registry.begin": { readonly transaction: Transaction.Transaction }
  "entry.create": Handler.Request
  "entry.update": Handler.Request
  "entry.delete": Handler.Request
  "registry.commit": { readonly transaction: Transaction.Transaction }
  "registry.discard": { readonly transaction: Transaction.Transaction }
}
