/**
 * What the bus announces to observers, in the order it happens. Observers see it and decide nothing.
 *
 *     registry.begin ▸ entry.create | entry.update | entry.delete … ▸ registry.commit | registry.discard
 *
 * An operation is announced once, when it is first put to its handlers, whether or not there are any; operations on
 * silent kinds are not announced. The way back is not announced one by one: `registry.discard` says that nothing of the
 * transaction came to be.
 */
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
