/**
 * What a callback's effects run with: the services from where it was registered and, beneath them, whatever the
 * transaction's own context has, so that they log, trace and count as part of the transaction.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** Set for callbacks: what their context has from the transaction alone. */
const Lent = Context.Reference<
  { readonly transaction: Context.Context<never>; readonly own: Context.Context<never> } | undefined
>("@heph/bus/Lent", { defaultValue: () => undefined })

/**
 * The services here and now. Left out are the present span, which is over when a callback runs, and, within a callback,
 * what the transaction lent it: a handler that is registered by a handler belongs to no transaction of the past.
 */
export const capture = <R>(): Effect.Effect<Context.Context<never>, never, R> =>
  Effect.map(Effect.context<R>(), (here) => {
    const lent = Context.get(here, Lent)
    const isLent = (key: string, value: unknown): boolean =>
      lent !== undefined && lent.transaction.mapUnsafe.get(key) === value && lent.own.mapUnsafe.get(key) !== value
    const kept = [...here.mapUnsafe].filter(
      ([key, value]) => key !== Tracer.ParentSpanKey && key !== Lent.key && !isLent(key, value)
    )
    return Context.makeUnsafe(new Map(kept))
  })

/** The context for a callback that was registered with `own`. */
export const lend = (own: Context.Context<never>, transaction: Context.Context<never>): Context.Context<never> =>
  Context.add(Context.merge(transaction, own), Lent, { transaction, own })
